"""A case in a few words: each is known by its form, whatever the order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from loadtests.records import prices
from loadtests.records.errors import UsageError
from loadtests.records.link_spec import PROFILES
from loadtests.report.advise import published
from loadtests.report.advise.case import CLIENTS, DIRECTIONS, MOBILE

Given = dict[str, str | bool]
_BOXES = ("caddy", "none")


def read(words: Sequence[str], given: Mapping[str, str | bool]) -> Given:
    """Return `given` with what the words say, `price` too. UsageError for one that says nothing, or the same twice."""
    found: Given = dict(given)
    for word in words:
        option, value = _meaning(word)
        if option in found:
            raise UsageError(f"{word!r} says --{option}, which is {found[option]!r} already; give it once")
        found[option] = value
    return found


def _meaning(word: str) -> tuple[str, str | bool]:
    if re.fullmatch(r"[\d.][\d.e+-]*/\w+", word):
        return "rate", word
    if re.fullmatch(r"[\d.][\d.e+-]*(B|kB|KiB)", word):
        return "payload", word
    if word == "tls":
        return "tls", True
    if word in DIRECTIONS:
        return "direction", word
    if word.startswith("rtt=") or word in PROFILES or word == "loopback":
        return "link", word
    if word in prices.FILES.named() or word.endswith(".toml"):
        return "price", word
    if set(word.split(",")) <= set(CLIENTS):
        return "clients", word
    if word in _BOXES or (word in published.load().idle and word != MOBILE):
        return "proxy", word
    if found := re.fullmatch(r"(\d+)(subscribers|rooms)", word):
        return found[2], found[1]
    raise UsageError(
        f"{word!r} says nothing here; allowed: 5/s, 300B, 20000subscribers, 400rooms, {', '.join(DIRECTIONS)}, tls, "
        f"{', '.join(CLIENTS)}, rtt=80ms or {', '.join(PROFILES)}, a proxy, or a price file: "
        f"{', '.join(prices.FILES.named())}"
    )
