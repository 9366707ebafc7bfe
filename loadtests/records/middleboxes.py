"""What `rtlab run middleboxes` found, as it lies on disk (`middleboxes.json`). Values only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file

SCHEMA = 1
FILE = "middleboxes.json"
CONTROL = "none"
"""Stands for the box where nothing is in the way."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one transport went through behind one box. None: not tried, or it never came; empty words: not asked."""

    joined: bool
    refusal: str = ""  # why it did not join, or that nothing came at all
    apart_ms: float | None = None  # median added to events 0.3 s apart; None where not all came
    missing: int = 0  # of those events
    added_p50_ms: float | None = None  # added to events in close order, against the same event received directly
    added_p99_ms: float | None = None
    messages: int = 0  # of which those two are; a p99 needs 1,000
    cut_s: float | None = None  # heartbeats came, and the connection was cut after so long
    silent_cut_s: float | None = None  # the same where no heartbeat comes
    silent_asked: bool = False
    left_s: float | None = None  # from a clean close to `user_left`
    pulled_s: float | None = None  # from a pulled cable to `user_left`
    pulled: str = ""  # "noticed", "not noticed within N s", or why it was not tried
    parked_kib: float | None = None  # published to a client that never reads, until the server cut it
    parked_bounded: bool = True  # False: the server had not cut it when the trial ended
    drain: str = ""
    reload: str = ""
    origin: str = ""  # "accepted", or the refusal


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One transport behind one box: as it comes, or with `settings`."""

    box: str
    version: str
    transport: str
    settings: tuple[str, ...] = ()  # empty: the box as it comes
    seen: Seen
    verdict: str  # "passes", "late", "cut", "held", "refused"
    words: str  # the verdict with its figure or reason
    cure: tuple[str, ...] = ()  # of a row that does not pass: what cures it; empty: nothing here is known to
    cured: bool = False  # whether the row that was run with the cure passes

    @property
    def passes(self) -> bool:
        """Whether nothing is against it."""
        return self.verdict == "passes"


class Middleboxes(msgspec.Struct, frozen=True, kw_only=True):
    """`middleboxes.json`."""

    schema: int
    commit: str
    form: str  # "scaled" or "full"
    started_utc: str
    elapsed_s: float
    heartbeat_s: float
    timeout_s: float  # of the boxes; full: their own
    rows: tuple[Row, ...]
    missing: tuple[str, ...] = ()  # boxes that are not installed, or did not start, each with its reason
    note: str = ""  # why it is incomplete
    machine: str = ""  # processor and cores

    @property
    def as_they_come(self) -> tuple[Row, ...]:
        """The rows of boxes with their own defaults."""
        return tuple(row for row in self.rows if not row.settings)

    @property
    def failed_controls(self) -> tuple[Row, ...]:
        """Rows with nothing in the way that do not pass: then the machine was too busy, and no row can be believed."""
        return tuple(row for row in self.rows if row.box == CONTROL and not row.passes)

    @property
    def uncured(self) -> tuple[Row, ...]:
        """Rows as they come that have a cure which did not work."""
        return tuple(row for row in self.as_they_come if row.cure and not row.cured)


def load(path: Path) -> Middleboxes:
    """Read a run; RunError where the file is missing, or is none of this version."""
    found = json_file.read(path, Middleboxes, "a run of middleboxes")
    json_file.need(path, found.schema, SCHEMA)
    return found
