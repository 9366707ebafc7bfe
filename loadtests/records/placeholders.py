"""`{word}` in the texts of an adapter: which are known where, and how they are filled in.

| placeholder | what is filled in |
|---|---|
| `{room}` | the room of the user |
| `{user}` | the user's number in the run, from 0 |
| `{random}` | 16 hexadecimal digits, drawn anew for each subscription |
| `{seq}` | the number of the message or request that the user sends, from 1 |
| `{token}` | `RTLAB_TARGET_TOKEN` of the environment |
| `{content}` | what a publisher publishes: in `publish.body` only |

Beside them stand the names that the adapter captures. `{{word}}` is no placeholder: the server gets `{word}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

EVERYWHERE = frozenset({"room", "user", "random", "seq", "token"})
CONTENT = frozenset({"content"})

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}", re.ASCII)


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with its placeholders replaced, in one pass: what is filled in is never read again."""
    return _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else values.get(found[2], found[0]), template)


def unknown(template: str, known: Set[str]) -> str:
    """Return the first placeholder that nothing is filled in for, in its braces; empty where there is none."""
    for found in _PLACEHOLDER.finditer(template):
        if found[2] and found[2] not in known:
            return found[0]
    return ""
