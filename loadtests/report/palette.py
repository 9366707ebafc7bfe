"""One colour, one mark and one place in the order for each transport, everywhere and for ever.

Hues after Okabe and Ito, safe for colour-blind eyes; lightness adjusted per theme so that each stands out from its
background by at least 3:1 (WCAG 1.4.11). Marks differ too: colour is never the only sign.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

from core import catalogue


@dataclass(frozen=True, slots=True)
class Look:
    """How a transport is drawn. `name` is the CSS variable's, `light` and `dark` its values."""

    name: str
    light: str
    dark: str
    marker: str  # matplotlib's


_DRAWN = {name: record.look for name, record in catalogue.records().items()}
_DRAWN |= {name: drawn for name, (_, drawn) in catalogue.lanes().items() if name not in _DRAWN}
LOOKS = {name: Look(name, drawn.light, drawn.dark, drawn.mark) for name, drawn in _DRAWN.items()}
"""Of the transports, and of the page's further lanes, which are drawn with their browser's mark."""

OTHER = Look("other", "#56606b", "#a3adb8", "X")
"""Targets that are not ours."""

INKS: dict[str, tuple[str, str]] = {
    "ground": ("#f3f5f7", "#0d1117"),
    "paper": ("#ffffff", "#161b22"),
    "ink": ("#1c2128", "#e6e9ed"),
    "muted": ("#586069", "#9aa4b0"),
    "rule": ("#dfe3e8", "#30363d"),
    "band": ("#eef1f4", "#1f2630"),
}
"""Names of the other CSS variables, with their values in the light and the dark theme."""


_CLIENT_MARKS = {"chromium": "*", "firefox": "p"}
_OTHER_MARKS = f"{OTHER.marker}d>8"
_SHORT = {"ws": "websocket", "lp": "longpoll"}  # as servers' names end that are to fit a column


def look(transport: str) -> Look:
    """Return a transport's look; `<client>-<transport>` has the transport's colour and the client's mark.

    Names that say no transport share the colour of other targets.
    """
    if transport in LOOKS:
        return LOOKS[transport]
    client, _, name = transport.partition("-")
    # By the name: a server that is not ours has the same mark in every run, which another may have too.
    theirs = _OTHER_MARKS[crc32(transport.encode()) % len(_OTHER_MARKS)]
    return replace(LOOKS.get(_SHORT.get(name, name), OTHER), marker=_CLIENT_MARKS.get(client, theirs))


def rank(transport: str) -> tuple[int, str]:
    """Sort key: the fixed order first, then others by name."""
    known = list(LOOKS)
    return (known.index(transport) if transport in LOOKS else len(known), transport)


def ink(name: str) -> str:
    """Return the light value of an ink: what charts are drawn in before they are themed."""
    return INKS[name][0]


def css_variables(dark: bool) -> str:
    """Return the declarations of every variable, for one theme."""
    looks = [(look.name, look.dark if dark else look.light) for look in (*LOOKS.values(), OTHER)]
    inks = [(name, values[1 if dark else 0]) for name, values in INKS.items()]
    return "".join(f"--{name}:{value};" for name, value in looks + inks)
