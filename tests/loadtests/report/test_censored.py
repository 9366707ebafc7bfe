"""What was due and never came: percentiles below the first of it are exact, those above are shown as lower bounds."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.report import bootstrap, comparison, export, guide_table, latency, sentences, tables, thresholds
from loadtests.report.charts.drawing import WIDE, house_style
from loadtests.report.charts.latency import latency_ecdf
from loadtests.report.claims import Agreement, rule
from loadtests.report.latency import FloatArray
from loadtests.report.page import write
from loadtests.report.quantity import AtLeast, digits, greatest, plus, span
from loadtests.report.study import Study, study
from tests.loadtests.report.pages import draw_only
from tests.loadtests.report.synthetic import TRUTHS, Plan, make_run

FROZEN = "0-websocket-20x10"
SUBSCRIBERS, MESSAGES, UNANSWERED = 20, 60, 12  # of 6 s at 10 a second: the server froze 1.2 s before the end
PLAN = Plan(
    truths={name: TRUTHS[name] for name in ("websocket", "sse")},
    loads=(("20x10", SUBSCRIBERS, 10.0),),
    fan_out=(),
    blocks=1,
    measured_s=6.0,
    unanswered={FROZEN: UNANSWERED},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frozen") / "run"
    make_run(path, PLAN)
    return path


@pytest.fixture(scope="module")
def frozen(folder: Path) -> Study:
    return study(folder)


@given(
    came=st.lists(st.floats(0, 100), max_size=200),
    late=st.lists(st.floats(0, 100), max_size=200),
    data=st.data(),
    percent=st.sampled_from([1.0, 50.0, 90.0, 99.0]),
)
def test_no_percentile_contradicts_any_truth_that_the_bounds_allow(
    came: list[float], late: list[float], data: st.DataObject, percent: float
) -> None:
    """Whatever the missing ones took in truth, exact percentiles are the truth's, and lower bounds lie below it."""
    found = latency.ascending(np.array(came), np.array(late))
    shown = latency.percentile(found.ms, percent, found.exact)
    further = data.draw(st.lists(st.floats(0, 1e6), min_size=len(late), max_size=len(late)))
    truth: FloatArray = np.sort(np.array([*came, *(low + more for low, more in zip(late, further, strict=True))]))
    true = latency.percentile(truth, percent)
    if shown is None or true is None:
        assert shown is true is None
    elif isinstance(shown, AtLeast):
        assert true >= shown
    else:
        assert true == shown


def test_a_percentile_is_exact_below_the_first_missing_one_and_a_bound_from_there_on() -> None:
    found = latency.ascending(np.linspace(1, 97, 970), np.full(30, 50.0))
    p = latency.percentiles(found.ms, found.exact, 30)
    assert (p.n, p.received, p.missing) == (1000, 970, 30)
    assert type(p.p50_ms) is AtLeast, "499 came sooner, and of the next ones any may have been the missing"
    assert [type(value) for value in (p.p90_ms, p.mean_ms, p.max_ms)] == [AtLeast] * 3
    late = latency.ascending(np.linspace(1, 97, 970), np.full(30, 5000.0))
    p = latency.percentiles(late.ms, late.exact, 30)
    assert [type(value) for value in (p.p50_ms, p.p90_ms, p.p99_ms)] == [float, float, AtLeast]
    assert p.p99_ms == 5000


def test_bounds_are_shown_as_bounds() -> None:
    assert digits(AtLeast(4999.6)) == ">= 5,000"
    assert span(4.0, AtLeast(5000.0), "ms") == "4.00 to >= 5,000 ms"
    assert span(4.0, math.inf) == ">= 4.00"
    assert span(-math.inf, -4.0) == "<= -4.00"
    assert (greatest(AtLeast(1.0)), greatest(1.0)) == (math.inf, 1.0)
    assert digits(plus(AtLeast(1.0), 1.0)) == ">= 2.00"


def test_an_interval_s_end_among_missing_ones_is_a_bound() -> None:
    rng = np.random.default_rng(1)
    scheduled_ns = np.arange(4000) * 2_000_000
    came = rng.lognormal(0, 0.2, 4000)
    missing = scheduled_ns > 0.97 * 8e9  # the last 3 %, in one time block
    values = np.where(missing, 1000.0, came)
    blocks = bootstrap.block(values, scheduled_ns, np.zeros(4000, dtype=np.int64), 1000.0)
    median, p99 = bootstrap.estimate(blocks, 50), bootstrap.estimate(blocks, 99)
    assert [type(value) for value in (median.value_ms, median.low_ms, median.high_ms)] == [float, float, float]
    assert type(p99.value_ms) is AtLeast
    assert type(p99.high_ms) is AtLeast
    p96 = bootstrap.estimate(blocks, 96)
    assert type(p96.value_ms) is float
    assert type(p96.high_ms) is AtLeast, "of the resamples many hold the last time block twice"


def test_a_difference_from_what_is_only_known_from_below_is_open() -> None:
    scheduled_ns = np.arange(1000) * 10_000_000
    run_block = np.repeat([0, 1], 500)
    quick = bootstrap.block(np.linspace(1, 2, 1000), scheduled_ns, run_block)
    stuck = bootstrap.block(np.full(1000, 500.0), scheduled_ns, run_block, 500.0)
    slower, faster = bootstrap.difference(stuck, quick, 50), bootstrap.difference(quick, stuck, 50)
    assert slower.known
    assert faster.known
    assert (slower.high_ms, faster.low_ms) == (math.inf, -math.inf)
    assert (type(slower.size_ms), type(faster.size_ms)) == (AtLeast, AtLeast)
    assert slower.size_ms == faster.size_ms == pytest.approx(498.5, abs=0.01)
    neither = bootstrap.difference(stuck, stuck, 50)
    assert not neither.known
    assert not neither.indistinguishable


def test_a_claim_is_not_held_up_by_a_lower_bound() -> None:
    assert rule(0.0, 1.0, 2.0) is Agreement.HOLDS
    assert rule(0.0, 1.0, AtLeast(2.0)) is Agreement.UNDECIDED
    assert rule(0.0, AtLeast(60.0), AtLeast(60.0)) is Agreement.FAILS


def test_a_frozen_server_looks_frozen_in_every_figure(frozen: Study) -> None:
    by_transport = {result.condition.transport: result for result in frozen.results}
    p, healthy = by_transport["websocket"].percentiles, by_transport["sse"].percentiles
    assert (p.n, p.missing) == (SUBSCRIBERS * MESSAGES, SUBSCRIBERS * UNANSWERED)
    assert type(p.p50_ms) is float
    assert type(p.p90_ms) is AtLeast
    assert type(p.max_ms) is AtLeast
    assert p.max_ms == pytest.approx(1200 + 1000, abs=1), "from the first unanswered one until the grace's end"
    assert (healthy.missing, type(healthy.max_ms)) == (0, float)
    assert by_transport["websocket"].ecdf.fraction[-1] == pytest.approx(1 - UNANSWERED / MESSAGES)
    assert by_transport["sse"].ecdf.fraction[-1] == 1


def test_a_lower_bound_breaks_every_upper_threshold(frozen: Study) -> None:
    texts = ("websocket.max>50ms", "websocket.max>1000s", "websocket.p90>=1000s", "websocket.reach<100%")
    outcomes = thresholds.judge(frozen, [thresholds.parse(text) for text in texts])
    assert [outcome.broken for outcome in outcomes] == [True] * 4
    assert "max is >= 2200 ms, more than 50 ms" in outcomes[0].words
    assert "max is >= 2200 ms, so it may be more than 1e+06 ms" in outcomes[1].words
    (kept,) = thresholds.judge(frozen, [thresholds.parse("websocket.max<1ms")])
    assert not kept.broken, "it is at least two seconds"


def test_refused_and_unanswered_can_be_held_to(frozen: Study) -> None:
    texts = ("websocket.unanswered>0", "sse.unanswered>0", "*.refused>0")
    outcomes = thresholds.judge(frozen, [thresholds.parse(text) for text in texts])
    assert [outcome.broken for outcome in outcomes] == [True, False, False, False]
    assert "unanswered is 12" in outcomes[0].words


def test_every_place_that_shows_a_percentile_shows_the_bound(
    frozen: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, "latency")
    assert ">=" in guide_table.render_text(guide_table.of(frozen))
    page = write(folder, frozen).read_text(encoding="utf-8")
    assert "&gt;= " in page
    shown = tables.percentiles(frozen)
    assert str(shown.loc[("20x10", "WebSocket"), "max"]).startswith(">= ")
    assert shown["p50"].dtype == np.float64, "a column without bounds stays one of numbers"
    compared = comparison.render_text(comparison.of(frozen, frozen))
    assert ">= " in compared
    assert "not known: a percentile is only known from below" in compared


def test_exports_have_the_bound_beside_the_old_columns(frozen: Study) -> None:
    record = next(each for each in export.records(frozen) if each["transport"] == "websocket")
    assert (record["p50_ms_at_least"], record["p90_ms_at_least"], record["max_ms_at_least"]) == (False, True, True)
    assert (record["unanswered"], record["refused"]) == (UNANSWERED, 0)
    assert record["deliveries"] == record["received"] == SUBSCRIBERS * (MESSAGES - UNANSWERED)
    decoded = msgspec.json.decode(export.as_json(frozen).encode())
    assert record in decoded["results"]
    rows = list(csv.DictReader(io.StringIO(export.as_csv(frozen))))
    assert {row["p90_ms_at_least"] for row in rows if row["kind"] == "latency"} == {"True", "False"}
    gauges = export.as_openmetrics(frozen).splitlines()
    bound = [line for line in gauges if line.startswith("rtlab_result_delivery_latency_lower_bound{")]
    assert any('transport="websocket"' in line and 'quantile="0.9"' in line and line.endswith(" 1") for line in bound)
    assert any('transport="sse"' in line and 'quantile="0.9"' in line and line.endswith(" 0") for line in bound)


def test_charts_and_sentences_survive_a_server_that_was_frozen_from_the_start(tmp_path: Path) -> None:
    make_run(tmp_path, replace(PLAN, unanswered={FROZEN: MESSAGES}))
    nothing = study(tmp_path)
    result = next(each for each in nothing.results if each.condition.transport == "websocket")
    assert result.percentiles.received == 0
    assert type(result.percentiles.p50_ms) is AtLeast
    assert "too many never came to know more of the median than >= " in sentences.ecdf(nothing)
    with house_style():
        assert latency_ecdf(nothing, WIDE) is not None
