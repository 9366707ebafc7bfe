"""Which systems a bench is asked for: by names that are short, and have no comma and no space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtests.evidence.bench.systems import PLAIN
from loadtests.records.errors import LabError

_SHORT: Final = {PLAIN: "bare"}


def typed(name: str) -> str:
    """What is typed for a system: `Socket.IO, node` is `socket.io`."""
    return _SHORT.get(name, name.partition(",")[0].lower().replace(" ", "-"))


def chosen(words: str, names: Sequence[str]) -> list[str]:
    """The systems of `names` that a list with commas asks for. Raises LabError for what is none, or could be several.

    The beginning of a name will do; only letters and digits are compared.
    """
    found = [(word, _meant(word, names)) for word in words.split(",")]
    refused = [word for word, those in found if len(those) != 1]
    if refused:
        known = ", ".join(map(typed, names))
        raise LabError(f"{', '.join(refused)}: not one of {known}")
    return [name for _, those in found for name in those]


def _meant(word: str, names: Sequence[str]) -> list[str]:
    letters = {name: _letters(typed(name)) for name in names}
    exactly = [name for name in names if letters[name] == _letters(word)]
    return exactly or [name for name in names if _letters(word) and letters[name].startswith(_letters(word))]


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))
