"""Thresholds: what can be written, what is said about what can't, and that data turn the outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.records.cell_spec import Slo
from loadtests.report.study import Study, study
from loadtests.report.thresholds import Threshold, ThresholdError, judge, of_slo, parse, require_known
from tests.loadtests.report import synthetic

TRUTHS = {name: synthetic.TRUTHS[name] for name in ("websocket", "longpoll")}
PLAN = synthetic.Plan(truths=TRUTHS, loads=(("50x10", 50, 10.0),), blocks=2, measured_s=2.0)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    synthetic.make_run(folder, PLAN)
    return study(folder)


def outcome(found: Study, text: str) -> list[tuple[bool, str]]:
    return [(outcome.broken, outcome.words) for outcome in judge(found, [parse(text)])]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("websocket.p99>20ms", ("websocket", None, "p99", ">", 20.0)),
        ("  sse@200x10.p99.9 >= 0.5s ", ("sse", "200x10", "p99.9", ">=", 500.0)),
        ("nchan-sse@a.b-c.reach<99.5%", ("nchan-sse", "a.b-c", "reach", "<", 99.5)),
        ("*.lost>0", ("*", None, "lost", ">", 0.0)),
        ("*.cpu>0.1ms", ("*", None, "cpu", ">", 100.0)),
        ("*.p50>250µs", ("*", None, "p50", ">", 0.25)),
        ("sse.memory<=1MiB", ("sse", None, "memory", "<=", 1024.0)),
    ],
)
def test_a_threshold_is_read(text: str, meant: tuple[str, str | None, str, str, float]) -> None:
    assert parse(text) == Threshold(text.strip(), *meant)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "can't be read; write it like websocket.p99>20ms"),
        ("websocket", "can't be read"),
        ("websocket.p99", "can't be read"),
        ("websocket.p99=20ms", "can't be read"),
        ("websocket.p99>-1ms", "can't be read"),
        ("websocket.p99>1ms or sse.p99>1ms", "can't be read"),
        ("web socket.p99>1ms", "can't be read"),
        ("websocket.p95>20ms", "has no figure 'p95'; there are: p50, p90, p99, p99.9, max, reach"),
        ("websocket.p99>20", "has the unit ''; for p99 allowed: us, ms, s"),
        ("websocket.p99>20%", "has the unit '%'; for p99 allowed: us, ms, s"),
        ("websocket.lost>1%", "has the unit '%'; for lost allowed: none: it is a count"),
    ],
)
def test_what_can_not_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(ThresholdError) as error:
        parse(text)
    assert said in str(error.value)


def test_what_will_not_be_measured_is_said_beforehand() -> None:
    def require(text: str) -> None:
        require_known([parse(text)], ["websocket", "sse"], ["50x10"])

    require("sse@50x10.p99>1ms")
    require("*.p99>1ms")
    with pytest.raises(ThresholdError, match="names 'longpoll'; measured are: websocket, sse"):
        require("longpoll.p99>1ms")
    with pytest.raises(ThresholdError, match="names the load '50x1'; there are: 50x10"):
        require("sse@50x1.p99>1ms")


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("websocket.p50>20ms", [False]),
        ("websocket.p50<20ms", [True]),
        ("*.p50<20ms", [True, True]),
        ("*.p50>0.45ms", [False, True]),
        ("websocket@10x10.p50>20ms", [False]),
        ("*.reach<100%", [False, False]),
        ("*.reach>=100%", [True, True]),
        ("websocket.memory>1MiB", [False]),
        ("websocket.memory>1KiB", [True]),
        ("websocket.p99.9>20ms", [True]),
    ],
)
def test_data_decide(measured: Study, text: str, broken: list[bool]) -> None:
    assert [is_broken for is_broken, _ in outcome(measured, text)] == broken


def test_the_outcome_is_said_with_figure_and_limit(measured: Study) -> None:
    ((broken, words),) = outcome(measured, "websocket.p50<20ms")
    assert broken
    assert words.startswith("websocket 50x10: p50 is 0.")
    assert words.endswith("ms, less than 20 ms")


def test_what_can_not_be_stated_breaks_its_threshold(measured: Study) -> None:
    # 2 blocks of 20 messages for 50 receivers: not ten samples beyond the 99.9th percentile.
    assert outcome(measured, "websocket.p99.9>20ms") == [(True, "websocket 50x10 has too little data for p99.9")]
    assert outcome(measured, "sse.p99>20ms") == [(True, "nothing was measured that it could be judged by")]
    assert outcome(measured, "sse.memory>1KiB") == [(True, "no memory cell was measured that it could be judged by")]


def test_an_invalid_condition_keeps_nothing(tmp_path: Path) -> None:
    spoilt = {f"{block}-websocket-50x10": "it was spoilt" for block in range(2)}
    synthetic.make_run(tmp_path, replace(PLAN, invalid=spoilt))
    ((broken, words),) = outcome(study(tmp_path), "websocket.p50>20s")
    assert (broken, words) == (True, "websocket 50x10 is invalid, so nothing says that it was kept")


def test_an_objective_is_two_thresholds_on_everything() -> None:
    p99, reach = of_slo(Slo(p99_ms=12.5, reach_percent=99.9))
    assert (p99.transport, p99.figure, p99.comparison, p99.limit) == ("*", "p99", ">", 12.5)
    assert (reach.transport, reach.figure, reach.comparison, reach.limit) == ("*", "reach", "<", 99.9)
