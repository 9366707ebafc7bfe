"""Run against run: nothing is called different that is the same, and what was planted is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.cli import reading
from loadtests.report import comparison
from loadtests.report.comparison import Comparison
from tests.loadtests.report import synthetic

PLAN = synthetic.Plan(
    truths={name: synthetic.TRUTHS[name] for name in ("websocket", "sse")},
    loads=(("50x10", 50, 10.0),),
    fan_out=(),
    measured_s=2.0,
)
SLOWER_MS = 0.4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `a`, `same` (another seed) and `slower` (SSE by SLOWER_MS)."""
    folder = tmp_path_factory.mktemp("runs")
    slow = replace(synthetic.TRUTHS["sse"], base_ms=synthetic.TRUTHS["sse"].base_ms + SLOWER_MS)
    synthetic.make_run(folder / "a", PLAN)
    synthetic.make_run(folder / "same", replace(PLAN, seed=2))
    synthetic.make_run(folder / "slower", replace(PLAN, seed=3, truths={**PLAN.truths, "sse": slow}))
    return folder


def p50_of(transport: str, compared: tuple[Comparison, ...]) -> Comparison:
    (found,) = [c for c in compared if c.condition.transport == transport and c.percent == 50]
    return found


def test_what_did_not_change_is_indistinguishable(runs: Path) -> None:
    compared = comparison.between(runs / "a", runs / "same")
    assert len(compared) == 2 * len(comparison.PERCENTS)
    assert {p50_of(transport, compared).words for transport in ("websocket", "sse")} == {"indistinguishable"}


def test_what_was_slowed_down_is_found_by_its_size(runs: Path) -> None:
    compared = comparison.between(runs / "a", runs / "slower")
    difference = p50_of("sse", compared).difference
    assert difference is not None
    assert difference.low_ms < SLOWER_MS < difference.high_ms
    assert p50_of("sse", compared).words.startswith("B is slower by 0.")
    turned = comparison.between(runs / "slower", runs / "a")
    assert p50_of("sse", turned).words.startswith("B is faster by 0.")
    assert p50_of("websocket", compared).words == "indistinguishable"


def test_blocks_of_different_runs_are_not_paired(runs: Path) -> None:
    itself = p50_of("sse", comparison.between(runs / "a", runs / "a")).difference
    assert itself is not None
    assert itself.value_ms == 0
    assert itself.low_ms < 0 < itself.high_ms, "paired with itself it would have no width"


def test_what_one_run_lacks_or_has_spoilt_is_said(runs: Path, tmp_path: Path) -> None:
    spoilt = {f"{block}-websocket-50x10": "it was spoilt" for block in range(3)}
    synthetic.make_run(tmp_path, replace(PLAN, truths={"websocket": PLAN.truths["websocket"]}, invalid=spoilt))
    compared = comparison.between(runs / "a", tmp_path)
    assert p50_of("sse", compared).words == "only in A"
    assert p50_of("websocket", compared).words == "invalid in B"
    assert p50_of("sse", comparison.between(tmp_path, runs / "a")).words == "only in B"


def test_the_command_shows_both_runs_and_every_condition(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reading.diff("a", "slower", runs) == 0
    shown = capsys.readouterr().out
    assert "A: 20260101T000000Z-synthetic-0000001\nB: 20260101T000000Z-synthetic-0000003" in shown
    for words in ("sse", "p99", "B is slower by", "indistinguishable", "would have shown"):
        assert words in shown


@pytest.mark.parametrize(("form", "begins"), [("json", "{"), ("csv", "run_id,"), ("openmetrics", "# TYPE")])
def test_a_run_is_exported_to_the_terminal_or_a_file(
    form: str, begins: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reading.export("a", runs, form, None) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(begins)
    assert reading.export("a", runs, form, tmp_path / "file") == 0
    assert (tmp_path / "file").read_bytes().decode() == printed
