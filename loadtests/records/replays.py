"""What others published beside what came out here: rows, the rule of the verdict, and the file. Values only.

The rule: a figure that the protocol fixes (a share, bytes, transits, a count) is reproduced within 10 %, one that
machine and code move (a latency, memory) within 50 %. A published 0 is reproduced by 0. A replay is *not reproduced* if
one row is not, else *not comparable* if an input is missing, which it names, else *reproduced*.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from loadtests.records import json_file
from loadtests.records.store import write_atomically

VERSION = 1
FILE = "replays.json"


class FixedBy(StrEnum):
    """What decides a figure, and so how near ours must come."""

    PROTOCOL = "protocol"
    MACHINE = "machine"


WITHIN_PERCENT = {FixedBy.PROTOCOL: 10.0, FixedBy.MACHINE: 50.0}


class Ruling(StrEnum):
    """A replay's verdict."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_COMPARABLE = "not comparable"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One published figure and ours; `ours` is None where it could not be had here."""

    what: str
    unit: str
    published: float
    fixed_by: FixedBy
    ours: float | None

    @property
    def residual_percent(self) -> float | None:
        """How far ours is off what was published, of the latter; None without either."""
        if self.ours is None:
            return None
        if not self.published:
            return 0.0 if not self.ours else float("inf")
        return 100 * (self.ours / self.published - 1)

    @property
    def holds(self) -> bool:
        """Whether ours comes within what the rule allows."""
        off = self.residual_percent
        return off is not None and abs(off) <= WITHIN_PERCENT[self.fixed_by]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One published table, measured again."""

    name: str
    about: str
    source: str
    url: str
    date: str  # of the publication
    reading: str  # what the published figures mean, in a sentence
    rows: tuple[Row, ...]
    missing: str = ""  # the input that is missing, where the figures can't be compared
    run_id: str = ""  # of our run; empty where a probe took the figures
    elapsed_s: float = 0.0

    @property
    def ruling(self) -> Ruling:
        """The verdict by the rule."""
        known = [row for row in self.rows if row.ours is not None]
        if not all(row.holds for row in known):
            return Ruling.NOT_REPRODUCED
        return Ruling.NOT_COMPARABLE if self.missing or not known or known != list(self.rows) else Ruling.REPRODUCED


class Replays(msgspec.Struct, frozen=True, kw_only=True):
    """`replays.json`."""

    version: int
    commit: str | None
    started_utc: str
    replays: tuple[Replayed, ...]


def load(path: Path) -> Replays | None:
    """Read the file; None where there is none. Raises RunError for one that can't be read."""
    found = json_file.read_if_there(path, Replays, "replays")
    if found is not None:
        json_file.need(path, found.version, VERSION)
    return found


def save(path: Path, found: Replays) -> None:
    """Write the file in one step. A replay that was not made again is kept from an earlier file. Raises RunError."""
    earlier = load(path)
    made = {each.name: each for each in (*(earlier.replays if earlier else ()), *found.replays)}
    merged = msgspec.structs.replace(found, replays=tuple(made[name] for name in sorted(made)))
    write_atomically(path, msgspec.json.format(msgspec.json.encode(merged), indent=1))
