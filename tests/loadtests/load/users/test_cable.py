"""Planned cuts: the schedule, the cable that follows it, and real clients that are cut and come back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import cast

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import RAW_USERS, describe_cell, fault_server, run_generator
from loadtests.load.users.cable import Cable, Cut, Outages, planned_cuts
from loadtests.load.users.hub import Alarms
from loadtests.records.cell_spec import Load
from loadtests.records.disruption import Disruption
from loadtests.records.schema import ABSENT_NS
from loadtests.run import counts, outages

S = 1_000_000_000
CUTS = Disruption(up_s=3.0, spread_s=0.6, offline_s=0.4)


@given(st.integers(0, 500), st.integers(1, 9), st.floats(0, 2.9))
def test_cuts_touch_the_window_one_after_the_other(subscriber: int, seed: int, spread_s: float) -> None:
    disruption = msgspec.structs.replace(CUTS, spread_s=spread_s)
    cuts = list(planned_cuts(disruption, subscriber, str(seed), 5 * S, 30 * S))
    assert cuts == list(planned_cuts(disruption, subscriber, str(seed), 5 * S, 30 * S))
    assert all(5 * S <= cut.off_ns < 30 * S and cut.on_ns > 5 * S for cut in cuts)
    ups_s = [(later.off_ns - cut.on_ns) / S for cut, later in pairwise(cuts)]
    assert all(3.0 - spread_s - 1e-6 <= up_s <= 3.0 + spread_s + 1e-6 for up_s in ups_s)
    assert all(cut.on_ns - cut.off_ns == 0.4 * S for cut in cuts[1:])


@pytest.mark.parametrize("at_s", [0.0, 0.1, 2.5, 7.9])
def test_at_every_instant_the_same_share_is_off(at_s: float) -> None:
    cuts = [planned_cuts(CUTS, subscriber, "1", 0, 9 * S) for subscriber in range(10_000)]
    off = sum(any(cut.off_ns <= at_s * S < cut.on_ns for cut in each) for each in cuts)
    assert off / 10_000 == pytest.approx(CUTS.share, rel=0.08)


class _User:
    def __init__(self, *, connected: bool = True) -> None:
        self.connected = connected
        self.plugged = 0

    def pull_cable(self) -> bool:
        return self.connected

    def plug_in(self) -> int | None:
        self.plugged += 1
        return 7


class _Alarms:
    def __init__(self) -> None:
        self.due: list[tuple[int, Callable[[], None]]] = []

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        self.due.append((due_ns, callback))

    def ring(self) -> int:
        due_ns, callback = self.due.pop(0)
        callback()
        return due_ns


def test_a_cut_is_recorded_when_the_cable_is_in_and_the_user_back() -> None:
    user, alarms, found, notes = _User(), _Alarms(), Outages(), list[str]()
    cable = Cable(user, 3, found, cast(Alarms, alarms), notes.append)
    cable.follow(iter([Cut(10, 20), Cut(30, 40)]))
    assert [alarms.ring(), alarms.ring()] == [10, 20]
    subscriber, _, on_ns, back_ns, left, joined = found.rows
    assert (subscriber, on_ns, back_ns, left, joined, user.plugged) == (3, 20, ABSENT_NS, 7, 7, 1)
    cable.back(9)
    cable.back(11)  # the server ended the connection and the user came back: no cut of ours
    assert found.rows[3] > 0
    assert found.rows[5] == 9
    assert alarms.due[0][0] == 30


def test_who_is_not_connected_is_not_cut_and_the_next_cut_is_awaited() -> None:
    user, alarms, found, notes = _User(connected=False), _Alarms(), Outages(), list[str]()
    cable = Cable(user, 3, found, cast(Alarms, alarms), notes.append)
    cable.follow(iter([Cut(10, 20), Cut(30, 40)]))
    assert alarms.ring() == 10
    assert (len(notes), len(found.rows), [due_ns for due_ns, _ in alarms.due]) == (1, 0, [30])


@pytest.mark.parametrize("resume", [True, False])
def test_clients_lose_what_they_miss_only_without_a_resume(resume: bool, tmp_path: Path) -> None:
    rooms = len(RAW_USERS)
    load = Load(name="cut", subscribers=2 * rooms, rooms=rooms, rate_per_s=20.0, poll_interval_s=0.05)
    with fault_server(Faults(delay_ms=0.0)) as port:
        spec = describe_cell(RAW_USERS[0], port, load, warm_up_s=0.2, measured_s=1.2, grace_s=0.9)
        spec = msgspec.structs.replace(
            spec, room_classes=RAW_USERS, disrupt=Disruption(up_s=0.6, offline_s=0.3), resume=resume
        )
        trial = run_generator(spec, tmp_path)
    samples, publishes, away = (
        pq.read_table(tmp_path / f"{name}.parquet") for name in ("samples", "publishes", "outages")
    )
    found = counts.count(samples, publishes, load, trial.result)
    planned = outages.lost_to_cuts(samples, publishes, away, load, resume=resume)
    assert (found.lost, found.duplicates, found.out_of_order, found.reconnects) == (planned, 0, 0, 0)
    assert (planned == 0) is resume
    found = msgspec.structs.replace(found, lost_to_cuts=planned)
    cuts = outages.figures(samples, away, found, trial.result, spec.disrupt or CUTS, resume=resume)
    assert (cuts.away, cuts.cuts >= 2 * rooms) == (0, True)
    missed = cuts.replayed if resume else cuts.lost
    assert missed / cuts.due == pytest.approx(1 / 3, rel=0.35)
