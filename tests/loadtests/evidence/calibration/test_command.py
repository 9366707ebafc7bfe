"""`rtlab calibrate`: exit codes and files follow from what was found. The trials themselves are made up here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from loadtests import cli
from loadtests.evidence.calibration import selftest, suite
from loadtests.evidence.calibration.trial import TrialError
from loadtests.records import calibration
from loadtests.records.calibration import Calibration, Check, Comparison, Distribution, Omission, SelfTest, Weakened
from loadtests.run.targets import TARGETS, Target, target

REFUSED = Weakened(means="a quota", validity="invalid", reasons=("late",))
BELIEVED = Weakened(means="a quota", validity="valid", reasons=())
STRAIGHT = Distribution(messages=1, p50_ms=1.0, p99_ms=None, max_ms=1.0, latency_ms=(1.0,), fraction=(1.0,))
OMITTED = Omission(
    transport="websocket", rate_per_s=20, measured_s=10, stall_s=1, from_schedule=STRAIGHT, closed_loop=STRAIGHT
)


def checks(found: float) -> Callable[..., Iterator[Check]]:
    def made(targets: Sequence[Target], *_: object) -> Iterator[Check]:
        for each in targets:
            yield Check(transport=each.name, fault="5 ms", figure="p50", unit="ms", planted=5.0, found=found, bound=0.1)

    return made


def only(folder: Path) -> Calibration:
    (path,) = folder.glob("*-calibration-*.json")
    return calibration.load(path)


@pytest.mark.parametrize(("found", "code"), [(5.0, 0), (6.0, 4)])
def test_quick_says_whether_all_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: float, code: int
) -> None:
    monkeypatch.setattr(suite, "short", checks(found))
    assert cli.main(["calibrate", "--quick", "--transports", "sse", "--out", str(tmp_path)]) == code
    assert only(tmp_path).form == "short"
    assert ("OFF" in capsys.readouterr().out) == (code == 4)


@pytest.mark.parametrize(("weakened", "code"), [(REFUSED, 0), (BELIEVED, 4)])
def test_the_full_form_fails_where_a_weak_generator_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weakened: Weakened, code: int
) -> None:
    monkeypatch.setattr(suite, "full", checks(5.0))
    monkeypatch.setattr(selftest, "show_omission", lambda folder: OMITTED)
    monkeypatch.setattr(selftest, "measure_weak", lambda *_: weakened)
    assert cli.main(["calibrate", "--transports", "sse", "--out", str(tmp_path)]) == code
    made = only(tmp_path)
    assert (made.form, made.weakened, made.omission) == ("full", weakened, OMITTED)


@pytest.mark.parametrize(("weakened", "code"), [(REFUSED, 4), (BELIEVED, 1)])
def test_a_weak_generator_alone_has_the_exit_code_of_its_invalid_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weakened: Weakened, code: int
) -> None:
    monkeypatch.setattr(selftest, "measure_weak", lambda *_: weakened)
    assert cli.main(["calibrate", "--weak-generator", "--out", str(tmp_path)]) == code
    assert only(tmp_path).weakened == weakened


@pytest.mark.parametrize(("different", "code"), [(2, 0), (3, 4)])
def test_more_than_a_tenth_different_from_itself_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, different: int, code: int
) -> None:
    repeats = tuple(
        Comparison(
            name=f"repeat {n}", difference_ms=0, low_ms=0, high_ms=0, smallest_detectable_ms=1,
            indistinguishable=n >= different,
        )
        for n in range(20)
    )  # fmt: skip
    found = SelfTest(transport="sse", run_id="r", allowed=2, repeats=repeats, left_out=0, between=())
    monkeypatch.setattr(selftest, "measure", lambda *_: (found, tmp_path))
    assert cli.main(["calibrate", "--aa", "20", "--out", str(tmp_path)]) == code
    assert only(tmp_path).self_test == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--aa", "0"], "--aa 0: 1 to 1000 repeats are allowed"),
        (["--weak-generator", "0"], "--weak-generator 0: 1 to 100 per cent of a core are allowed"),
        (["--transports", "pigeon"], "unknown transport 'pigeon'"),
        (["--transports", "h2push"], "nothing can be planted for h2push"),
    ],
)
def test_what_can_t_be_asked_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calibrate", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_preflight_that_fails_is_reported_and_never_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[Check]:
        raise TrialError("no port")

    monkeypatch.setattr(suite, "short", broken)
    found = suite.preflight(TARGETS)
    assert not found.passed
    assert found.sentence() == "calibration: not done (no port)"
    assert found.section()["failure"] == "no port"


def test_a_preflight_tells_what_is_outside_and_what_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "short", checks(9.0))
    found = suite.preflight([target("sse"), target("h2push")])
    assert "0 of 1 planted truths found" in found.sentence()
    assert "not calibrated: h2push" in found.sentence()
    assert found.section()["outside"] == "sse 5 ms p50"
