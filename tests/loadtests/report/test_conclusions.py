"""What a reader may conclude turns round with the data, and nothing is concluded from what is not there."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest

from loadtests.records.calibration import SelfTest, Weakened
from loadtests.records.replays import FixedBy, Replayed, Row
from loadtests.report import conclusions, links
from loadtests.report.bootstrap import Difference, Estimate
from loadtests.report.condition import Cost, Result
from loadtests.report.study import Contrast, Study, study
from loadtests.report.verdicts import guide
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth
from tests.loadtests.report.test_calibration import calibration, check, comparison
from tests.loadtests.report.verdicts import made

LOADS = (("20x10", 20, 10.0), ("40x10", 40, 10.0))


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {"websocket": Truth(), "sse": Truth(cpu_us=50.0)}
    make_run(folder, Plan(truths=truths, loads=LOADS, fan_out=(), blocks=1, measured_s=2.0))
    return study(folder)


def _medians(found: Study, ms_by_size: dict[int, float]) -> Study:
    results = []
    for result in found.results:
        ms = ms_by_size[result.condition.subscribers]
        results.append(replace(result, p50=Estimate(ms, ms, ms, 1), p99=Estimate(3 * ms, ms, 4 * ms, 1)))
    return replace(found, results=tuple(results))


def _contrast(low_ms: float, high_ms: float) -> Contrast:
    return Contrast("sse", "websocket", "20x10", "loopback", Difference((low_ms + high_ms) / 2, low_ms, high_ms, 0.1))


def test_latency_is_concluded_with_its_tail_and_its_differences(worked_out: Study) -> None:
    found = replace(_medians(worked_out, {20: 1.0, 40: 2.0}), contrasts=(_contrast(-1, 1), _contrast(1, 3)))
    said = conclusions.latency(made.evidence(found))
    assert "takes this much longer than half of them: 3.0 times (WebSocket) to 3.0 times" not in said
    assert "takes this much longer than half of them: 3.0 times (WebSocket)." in said
    assert (
        "Of 2 differences from WebSocket, 1 is more than chance, the greatest: Server-Sent Events, slower by 2" in said
    )
    same = replace(found, contrasts=(_contrast(-1, 1),))
    assert "the transports are indistinguishable here" in conclusions.latency(made.evidence(same))
    unknown = replace(found, contrasts=(_contrast(-1, math.inf),))
    assert "No two transports could be compared" in conclusions.latency(made.evidence(unknown))
    nothing = replace(found, results=tuple(replace(r, p50=None) for r in found.results))
    assert conclusions.latency(made.evidence(nothing)) == conclusions.NOTHING


def test_growth_is_held_against_that_of_the_room(worked_out: Study) -> None:
    assert "2.0 times (WebSocket) as long, as steeply as the room over WebSocket and Server-Sent Events." in (
        conclusions.costs(_medians(worked_out, {20: 1.0, 40: 2.0}))
    )
    assert "1.5 times (WebSocket) as long, nowhere as steeply as the room." in (
        conclusions.costs(_medians(worked_out, {20: 1.0, 40: 1.5}))
    )
    one = replace(worked_out, results=tuple(r for r in worked_out.results if r.condition.subscribers == 20))
    assert "no transport has two sizes of room" in conclusions.costs(one)


def test_a_cores_room_and_the_memory_of_a_thousand_follow_from_the_costs(worked_out: Study) -> None:
    cheap, dear = Cost(10.0, 10.0, 10.0, 1), Cost(100.0, 100.0, 100.0, 1)
    by_cost = {"websocket": cheap, "sse": dear}

    def priced(of: dict[str, Cost]) -> Study:
        results = (
            replace(r, costs=replace(r.costs, server_cpu_us=of[r.condition.transport])) for r in worked_out.results
        )
        return replace(worked_out, results=tuple(results), memory=of)

    said = conclusions.costs(priced(by_cost))
    assert "room for 10,000 deliveries a second (Server-Sent Events) to 100,000 deliveries a second (WebSocket)" in said
    assert "1,000 idle connections take 9.8 MiB (WebSocket) to 98 MiB (Server-Sent Events)" in said
    turned = conclusions.costs(priced({"websocket": dear, "sse": cheap}))
    assert "10,000 deliveries a second (WebSocket) to 100,000" in turned
    blind = replace(worked_out, memory={}, results=tuple(_blind(worked_out)))
    assert "idle" not in conclusions.costs(blind)
    assert "core" not in conclusions.costs(blind)


def _blind(found: Study) -> list[Result]:
    return [replace(r, costs=replace(r.costs, server_cpu_us=None)) for r in found.results]


def test_the_guides_figures_are_concluded_by_their_verdicts(worked_out: Study) -> None:
    beside = made.with_medians(worked_out, "websocket", [1.0])
    fast, slow = (made.evidence(made.with_medians(beside, "sse", [ms])) for ms in (2.0, 100.0))
    assert "as it says over WebSocket; faster over Server-Sent Events" in conclusions.guides_table(fast)
    assert "as it says over WebSocket and Server-Sent Events" in conclusions.guides_table(slow)


def test_promises_and_residuals_name_what_they_do_not_account_for(
    swept: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = conclusions.over_links(swept)
    assert "cheapest in time depends on line, rate and budget" in said
    assert "each message came once and in order" in said
    condition = swept.results[0].condition
    kept = links.Promise(condition, "median: one transit", 10.0, 10.5, 9.0, 11.0)
    monkeypatch.setattr(links, "promises", lambda study: (kept, replace(kept, measured_ms=12.0)))
    monkeypatch.setattr(links, "delivery_faults", lambda study: ("sse: 3 lost",))
    said = conclusions.over_links(swept)
    assert "Of 2 promises of theory 1 is kept; not WebSocket" in said
    assert "Not every message came once and in order: sse: 3 lost." in said


def test_the_instrument_is_believed_only_where_all_of_it_came_out(worked_out: Study) -> None:
    weak = Weakened(means="a tenth", validity="invalid", reasons=("late",))
    same = SelfTest(transport="sse", run_id="r", allowed=1, repeats=(comparison(-1, 1),), left_out=0, between=())
    good = calibration(checks=(check(5.05),), weakened=weak, self_test=same)
    said = conclusions.instrument((good,), worked_out)
    assert "So its figures can be believed" in said
    assert "Of 1 planted truth 1 was found" in said
    bad = (
        {"checks": (check(9.0),)},
        {"weakened": msgspec.structs.replace(weak, validity="valid")},
        {"self_test": msgspec.structs.replace(same, allowed=0, repeats=(comparison(1, 2),))},
    )
    for part in bad:
        assert "cannot be believed" in conclusions.instrument((msgspec.structs.replace(good, **part),), worked_out)
    assert conclusions.instrument((), worked_out) == conclusions.NOTHING


def test_false_sentences_are_named(worked_out: Study) -> None:
    fast, slow = (made.evidence(made.with_medians(worked_out, "sse", [ms])) for ms in (2.0, 100.0))
    name = "“Server-Sent Events: latency ~100 ms”"
    assert name in conclusions.sentences(guide.judged(fast)).partition("False: ")[2]
    assert name not in conclusions.sentences(guide.judged(slow))


def test_replays_count_what_came_out_the_same_by_what_fixes_it() -> None:
    rows = (
        Row(what="share", unit="", published=1.0, fixed_by=FixedBy.PROTOCOL, ours=1.0),
        Row(what="p50", unit="ms", published=1.0, fixed_by=FixedBy.MACHINE, ours=9.0),
    )
    one = Replayed(name="x", about="", source="", url="", date="", reading="", rows=rows)
    said = conclusions.measured_again((one,))
    assert "1 of 1 figure that the protocol fixes and 0 of 1 figure that machine and code move" in said
    assert conclusions.measured_again(()) == conclusions.NOTHING
