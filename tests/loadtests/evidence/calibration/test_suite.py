"""The short form, all transports in one generator, finds what was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loadtests.evidence.calibration import findings, suite
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.findings import FULL
from loadtests.evidence.calibration.trial import run_trial
from loadtests.records.cell_spec import Load
from loadtests.run.targets import TARGETS, Target, target


def test_the_short_form_counts_every_fault_of_every_transport(tmp_path: Path) -> None:
    checks = list(suite.short(TARGETS, tmp_path))
    spoken = [target.name for target in suite.spoken(TARGETS)]
    assert list(dict.fromkeys(check.transport for check in checks)) == spoken
    counted = [check for check in checks if not check.unit]
    assert len(counted) == 3 * len(spoken)
    assert all(check.planted for check in counted)
    assert [check for check in counted if not check.within] == []


def test_a_server_that_froze_for_good_is_found_as_long_as_it_was_due(tmp_path: Path) -> None:
    chosen = suite.spoken(TARGETS)
    checks = list(suite._freeze_for_good(chosen, tmp_path))
    assert [check for check in checks if not check.within] == []
    assert {(check.figure, check.planted > 0) for check in checks} == {("unanswered", True), ("max, at least", True)}
    assert len(checks) == 2 * len(chosen)


def test_a_short_freeze_and_refusals_are_found_beside_each_other(tmp_path: Path) -> None:
    chosen = suite.spoken(TARGETS)
    checks = list(suite._freeze_and_refusals(chosen, tmp_path))
    assert [check for check in checks if not check.unit and not check.within] == []
    freezes = [check for check in checks if check.figure == "max"]
    assert len(freezes) == len(checks) / 2 == len(chosen)
    for check in freezes:
        assert check.found is not None
        # A machine that runs other tests meanwhile continues the server late: the bound itself is `rtlab calibrate`'s.
        assert check.found > 0.95 * check.planted


def test_a_replay_that_forgets_doubles_or_comes_late_is_found(tmp_path: Path) -> None:
    chosen = suite.spoken(TARGETS)
    checks = list(suite._cuts(chosen, tmp_path))
    assert [check for check in checks if not check.unit and not check.within] == []
    late = [check for check in checks if check.unit]
    assert len(late) == len(checks) / 3 == len(chosen)
    for check in late:
        assert check.found is not None
        assert 999 <= check.found < 1500, "the bound itself is `rtlab calibrate`'s"


def test_transports_that_no_fault_server_speaks_to_are_left_out(tmp_path: Path) -> None:
    unknown = Target("carrier-pigeon", "CarrierPigeonUser", pushes=True)
    assert suite.spoken((unknown, TARGETS[0])) == (TARGETS[0],)
    assert list(suite.short((unknown,), tmp_path)) == []


@pytest.mark.parametrize("user_class", ["WebSocketUser", "LongPollUser"])
def test_a_slow_first_byte_is_in_the_time_to_connect(user_class: str, tmp_path: Path) -> None:
    load = Load(name="2x20", subscribers=2, rate_per_s=20.0)
    faults = Faults(first_byte_ms=300.0)
    trial = run_trial(user_class, load, faults, tmp_path, warm_up_s=0.0, measured_s=0.3)
    assert all(300 <= connect_ms < 1000 for connect_ms in trial.result.connect_ms)
    assert len(trial.result.connect_ms) == 2


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
def test_another_clock_leaves_its_deliveries_without_latency(transport: str, tmp_path: Path) -> None:
    load, faults = Load(name="2x50", subscribers=2, rate_per_s=50.0), Faults(delay_ms=5.0, other_clock_every=3)
    found = target(transport)
    trial = run_trial(found.user_class, load, faults, tmp_path, warm_up_s=0.1, measured_s=0.6)
    unknown, received, _ = findings.other_clock(findings.of(trial, found, load, faults), FULL)
    assert unknown.planted > 0
    assert (unknown.found, received.found) == (unknown.planted, received.planted)
    assert trial.result.strangers >= unknown.planted
    assert np.nanmin(trial.latencies_ms) >= 5
    assert np.nanmax(trial.latencies_ms) < 5_000, "no latency was made of another clock's stamp"
