"""One race of the page, as a browser showed it (`race.json`). Values only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file

VERSION = 1
FILE = "race.json"


class Finish(msgspec.Struct, frozen=True):
    """A lane's end of the race. `ms` is None, and `said` empty, where it did not bring the message in time."""

    lane: str
    title: str
    ms: float | None
    said: str  # the page's words: `tied 1st: 52 ms`


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """`race.json`. Times are of the page's own clock, from its send to each lane's receipt."""

    version: int
    commit: str
    started_utc: str
    browser: str
    cores: int
    one_way_ms: float  # of the emulated line
    verdict: str  # the page's sentence
    finishes: tuple[Finish, ...]


def load(folder: Path) -> Race | None:
    """Read a folder's race; None where there is none. Raises RunError for a file that can't be read."""
    path = folder / FILE
    found = json_file.read_if_there(path, Race, "a race")
    if found is not None:
        json_file.need(path, found.version, VERSION)
    return found
