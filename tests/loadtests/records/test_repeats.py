"""Which of a cell and its repetition is believed, and what counts as replaced."""

from __future__ import annotations

from msgspec import structs

from loadtests.records.repeats import believed, original, outcomes, unreplaced
from loadtests.records.schema import Cell, Validity, Verdict

VALID, DOUBTFUL, INVALID = Validity.VALID, Validity.DOUBTFUL, Validity.INVALID


def cell(cell_id: str, validity: Validity) -> Cell:
    return Cell(
        id=cell_id,
        transport="websocket",
        load="6x10",
        kind="latency",
        block=0,
        order=0,
        subscribers=6,
        publishers=1,
        rooms=1,
        rate_per_s=10.0,
        payload_bytes=128,
        warm_up_s=0.0,
        measured_s=1.0,
        link="loopback",
        verdict=Verdict(validity, ()),
    )


def ids(*cells: Cell) -> list[str]:
    return [each.id for each in believed(cells)]


def test_a_repetition_is_named_after_what_it_repeats() -> None:
    assert [original(name) for name in ("0-a", "0-a-again", "0-a-again-again")] == ["0-a"] * 3
    assert original("0-sse-again-and-again-1") == "0-sse-again-and-again-1"


def test_invalid_cells_are_left_out_unless_there_is_nothing_else() -> None:
    assert ids(cell("a", INVALID), cell("b", DOUBTFUL)) == ["b"]
    assert ids(cell("a", INVALID), cell("a-again", INVALID)) == ["a", "a-again"]


def test_a_valid_repetition_stands_in_for_a_doubtful_cell_and_no_other_does() -> None:
    assert ids(cell("a", DOUBTFUL), cell("b", DOUBTFUL), cell("a-again", VALID)) == ["b", "a-again"]
    assert ids(cell("a", DOUBTFUL), cell("a-again", DOUBTFUL)) == ["a", "a-again"]
    assert ids(cell("a", DOUBTFUL), cell("a-again", INVALID)) == ["a"]
    assert ids(cell("a", INVALID), cell("a-again", DOUBTFUL)) == ["a-again"]


def test_a_planned_cell_counts_once_with_the_best_of_its_measurements() -> None:
    measured = [
        cell("a", INVALID), cell("b", INVALID), cell("c", DOUBTFUL), cell("d", VALID), cell("a-again", DOUBTFUL),
        cell("b-again", INVALID), cell("a-again-again", INVALID), cell("c-again", VALID),
    ]  # fmt: skip
    assert outcomes(measured) == {"a": DOUBTFUL, "b": INVALID, "c": VALID, "d": VALID}
    assert outcomes([structs.replace(cell("a", INVALID), kind="capacity")]) == {}


def test_an_invalid_cell_is_replaced_by_any_measurement_of_the_same_that_can_be_used() -> None:
    lost = cell("b", INVALID)
    assert unreplaced([cell("a", INVALID), lost, cell("a-again-again", DOUBTFUL)]) == [lost]
    assert unreplaced([cell("a", DOUBTFUL), cell("a-again", INVALID)]) == []
    both = [cell("a", INVALID), cell("a-again", INVALID)]
    assert unreplaced(both) == both
