"""`storm.json`: what `rtlab run storm` measured. Times are in seconds unless the name says more."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file

FILE = "storm.json"
KILL, DRAIN, ROLLING = "kill", "drain", "rolling"
KINDS = (KILL, DRAIN, ROLLING)
"""What happens to instances: one is killed, one drains, all restart one after the other."""


class Latency(msgspec.Struct, frozen=True):
    """Deliveries to clients that were not cut: how many, and the 99th percentile from the instant they were due.

    None with fewer than ten samples beyond it.
    """

    deliveries: int
    p99_ms: float | None


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One instance ended, and its clients came back. Times count from the signal that it was sent."""

    clients: int  # that it cut
    noticed_s: float  # until the last of them knew
    back_50_s: float  # until so many percent were back, and had what they missed
    back_99_s: float
    back_100_s: float
    unrefused_100_s: float  # the same of those who were never refused since
    refused: int  # attempts that no welcome came of
    replayed: int  # events that clients had missed, and received
    bystanders: Latency
    server_us_per_join: float  # CPU of the instances that lived on
    redis_us_per_join: float
    server_busy: float  # the busiest instance's share of a core until all were back
    lab_busy: float  # that of the clients' own process


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """One storm: its cuts, and what is known once it is over. A `window_ratio` of 0 measures u."""

    transport: str
    kind: str
    repeat: int
    window_ratio: float  # W / W*
    window_s: float
    cuts: tuple[Cut, ...]
    calm: Latency  # before the first cut
    gap_50_s: float  # of a client: how long it had no stream, over all cuts
    gap_99_s: float
    gap_100_s: float
    published: int
    late_p99_ms: float | None  # how late the lab itself was with its messages
    lost: int
    doubled: int
    told_gaps: int
    faults: tuple[str, ...] = ()  # what a client could not make sense of


class Storms(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    run_id: str
    commit: str
    clients: int
    rooms: int
    rate_per_s: float  # messages, in each room
    redis: str
    storms: tuple[Storm, ...]
    machine: str = ""  # processor and cores


def read(folder: Path) -> Storms | None:
    """Read the document of a run's folder; None where there is none. Raises RunError."""
    return json_file.read_if_there(folder / FILE, Storms, "storms")


def write(folder: Path, storms: Storms) -> None:
    """Write the document whole."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(storms), indent=1) + b"\n")
