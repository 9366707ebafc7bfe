"""What was planted in a synthetic run is what the study finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records.schema import Validity
from loadtests.report import guide_table
from loadtests.report.claims import Agreement
from loadtests.report.condition import Result
from loadtests.report.study import Study, study
from tests.loadtests.report.synthetic import TRUTHS, Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

LOADS = (("20x10", 20, 10.0),)
SMALL = {"websocket": Truth(us_per_subscriber=0), "sse": Truth(us_per_subscriber=0, base_ms=0.5)}


def _study(folder: Path, plan: Plan) -> Study:
    make_run(folder, plan)
    return study(folder)


def _result(found: Study, transport: str) -> Result:
    return next(r for r in found.results if r.condition.transport == transport and r.condition.kind == "latency")


def test_planted_medians_and_their_difference_are_found(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(truths=SMALL, loads=LOADS, fan_out=()))
    websocket, sse = _result(found, "websocket"), _result(found, "sse")
    assert websocket.p50 is not None
    assert sse.p50 is not None
    assert websocket.p50.value_ms == pytest.approx(0.2, rel=0.1)
    assert sse.p50.value_ms == pytest.approx(0.5, rel=0.1)
    (contrast,) = found.contrasts
    assert not contrast.difference.indistinguishable
    assert contrast.difference.value_ms == pytest.approx(0.3, rel=0.15)


def test_the_same_transport_under_two_names_is_indistinguishable(tmp_path: Path) -> None:
    same = Truth(run_block_spread=0.01)
    found = _study(tmp_path, Plan(truths={"websocket": same, "sse": same}, loads=LOADS, fan_out=(), seed=4))
    (contrast,) = found.contrasts
    assert contrast.difference.indistinguishable


def test_warm_up_is_left_out_and_deliveries_are_counted(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(truths=SMALL, loads=LOADS, fan_out=(), blocks=2))
    assert found.deliveries == 2 * 2 * 20 * 30
    assert _result(found, "sse").percentiles.n == 2 * 20 * 30


def test_costs_are_those_planted(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(loads=LOADS, fan_out=()))
    for transport, truth in TRUTHS.items():
        costs = _result(found, transport).costs
        assert costs.server_cpu_us is not None
        assert costs.server_cpu_us.low <= costs.server_cpu_us.value <= costs.server_cpu_us.high
        assert costs.server_cpu_us.value == pytest.approx(truth.cpu_us, rel=0.06)
        # Process and kernel (2 KiB planted) together.
        assert found.memory[transport].value == pytest.approx(truth.kib + 2, rel=0.06)


def test_an_invalid_cell_is_left_out_of_the_figures_and_said_to_be(tmp_path: Path) -> None:
    plan = Plan(truths=SMALL, loads=LOADS, fan_out=(), invalid={"1-sse-20x10": "the publisher was late"})
    found = _study(tmp_path, plan)
    sse = _result(found, "sse")
    assert [cell.block for cell in sse.used] == [0, 2]
    assert sse.validity is Validity.VALID
    row = next(row for row in guide_table.of(found) if row.result.condition.transport == "sse")
    assert (row.left_out, len(row.result.cells)) == (1, 3)
    assert "1 of 3 measurements left out: the publisher was late" in guide_table.render_text(guide_table.of(found))


def test_a_condition_whose_cells_are_all_invalid_gets_no_verdict(tmp_path: Path) -> None:
    invalid = {f"{block}-sse-20x10": "nothing to believe" for block in range(3)}
    found = _study(tmp_path, Plan(truths=SMALL, loads=LOADS, fan_out=(), invalid=invalid))
    sse = _result(found, "sse")
    assert sse.validity is Validity.INVALID
    assert sse.claim.agreement is Agreement.NO_MEASUREMENT
    assert found.contrasts == ()


def test_one_doubtful_cell_makes_its_condition_doubtful(tmp_path: Path) -> None:
    plan = Plan(truths=SMALL, loads=LOADS, fan_out=(), doubtful={"2-websocket-20x10": "busy"})
    assert _result(_study(tmp_path, plan), "websocket").validity is Validity.DOUBTFUL


def test_losses_show_in_the_reach(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(truths=SMALL, loads=LOADS, fan_out=(), lose={"0-sse-20x10": 3}))
    row = next(row for row in guide_table.of(study(tmp_path)) if row.result.condition.transport == "sse")
    assert [row.result.total(figure) for figure in ("lost", "received", "expected")] == [3, 1797, 1800]
    assert "99.83 %" in guide_table.render_text([row])


def test_user_stamps_are_used_and_said_so_where_there_are_no_kernel_stamps(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(truths=SMALL, loads=LOADS, fan_out=(), kernel_stamps=False))
    websocket = _result(found, "websocket")
    assert found.lacks_kernel_stamps
    assert websocket.p50 is not None
    assert websocket.p50.value_ms == pytest.approx(0.25, rel=0.1)


def test_too_few_deliveries_state_no_percentile(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(truths=SMALL, loads=(("2x2", 2, 2.0),), fan_out=(), blocks=1))
    websocket = _result(found, "websocket")
    assert websocket.percentiles.n == 12
    assert websocket.p50 is None
    assert websocket.claim.agreement is Agreement.NO_MEASUREMENT


def test_a_link_brings_the_model_of_the_schedule_that_ran(tmp_path: Path) -> None:
    truths = {"longpoll": Truth(base_ms=25.5, spread=0.01)}
    found = _study(tmp_path, Plan(truths=truths, loads=LOADS, fan_out=(), link="rtt=50ms"))
    expected = _result(found, "longpoll").model
    assert expected is not None
    # Ten messages a second at even distances: each finds a poll waiting, which the Poisson form would deny.
    assert set(expected.latency_ms) == {25.0}


def test_rows_stand_by_load_then_in_the_fixed_order(tmp_path: Path) -> None:
    loads = (("40x10", 40, 10.0), ("20x10", 20, 10.0))
    make_run(tmp_path, Plan(truths={"zebra": Truth(), "sse": Truth(), "websocket": Truth()}, loads=loads, fan_out=()))
    conditions = (row.result.condition for row in guide_table.of(study(tmp_path)))
    assert [(c.load, c.transport) for c in conditions] == [
        (load, t) for load in ("20x10", "40x10") for t in ("websocket", "sse", "zebra")
    ]


def test_what_happened_to_connections_stands_on_the_row_also_of_a_valid_one(tmp_path: Path) -> None:
    cut = {"WS connection ended: \x1b[31mgo away! (4000)": 2, "publication refused: 503": 5, "a": 1, "b": 1}
    plan = Plan(
        truths={"websocket": TRUTHS["websocket"], "sse": TRUTHS["sse"]}, loads=LOADS, fan_out=(), blocks=2,
        errors={"0-websocket-20x10": cut, "1-websocket-20x10": {"a": 2}},
    )  # fmt: skip
    text = guide_table.render_text(guide_table.of(_study(tmp_path, plan)))
    *_, note = text.splitlines()
    assert note == (
        "● websocket 20x10 is valid: 5 x publication refused: 503; 3 x a; "
        "2 x WS connection ended: \ufffd[31mgo away! (4000); 1 more in run.json"
    )
    assert "sse 20x10 is" not in text


def test_a_run_of_idle_connections_alone_has_a_table_of_its_own(tmp_path: Path) -> None:
    found = _study(tmp_path, Plan(truths=SMALL, loads=(), fan_out=(), blocks=1))
    assert guide_table.of(found) == ()
    heading, *lines = guide_table.render_memory(found).splitlines()
    assert heading.split() == ["transport", "KiB/conn", "lowest", "highest", "cells"]
    assert [line.split()[:2] for line in lines] == [["●", "websocket"], ["●", "sse"]]
    assert all(float(line.split()[2]) == pytest.approx(found.memory[line.split()[1]].value, rel=0.01) for line in lines)


def test_the_terminal_table_is_aligned_and_free_of_control_characters(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(truths={"\x1b[31mred": Truth(), "websocket": Truth()}, loads=LOADS, fan_out=()))
    text = guide_table.render_text(guide_table.of(study(tmp_path)))
    assert "\x1b" not in text
    heading, first, *_ = text.splitlines()
    assert heading.index("claimed") + len("claimed") == first.index("~0 ms") + len("~0 ms")
