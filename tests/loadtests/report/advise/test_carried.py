"""A capacity search speaks for rooms like its own; the model for all others."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from loadtests.records import prices
from loadtests.records.repeats import SEARCHED
from loadtests.records.schema import Cell, Run, Validity, Verdict
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.carried import Carried, per_core, searched
from loadtests.report.advise.case import Case
from loadtests.report.advise.figure import MEASURED, MODELLED
from loadtests.report.advise.sizing import Size, size
from loadtests.report.priced import BUSY_SHARE
from tests.loadtests.report.advise.planted import TRUTHS

CASE = Case(rate_per_s=5.0, payload_bytes=128, subscribers=20_000, rooms=400)


def sized(found: Basis, case: Case = CASE) -> Size:
    machine = prices.find("us-large").machine
    assert machine is not None
    needed = size(found.costings["websocket"], case, machine)
    assert needed is not None
    return needed


def test_without_a_search_the_model_says_what_fits_into_a_core(found: Basis) -> None:
    figure = per_core(found.costings["websocket"], sized(found), ())
    truth = TRUTHS["websocket"]
    per_room = truth.publication_us + 50 * truth.delivery_us
    assert figure.how == MODELLED
    assert figure.value == pytest.approx((BUSY_SHARE * 1e6 - truth.own_us) / per_room * 50, rel=0.02)


def test_a_search_counts_for_rooms_and_payloads_like_its_own(found: Basis) -> None:
    costing = found.costings["websocket"]
    like = Carried("websocket", 50.0, 128, 90_000.0, 99_000.0, "search")
    figure = per_core(costing, sized(found), [like])
    assert (figure.value, figure.low, figure.high, figure.how) == (90_000.0, 90_000.0, 99_000.0, MEASURED)
    for changes in ({"rooms": 4000}, {"payload_bytes": 300}):
        other = sized(found, msgspec.structs.replace(CASE, **changes))
        assert per_core(costing, other, [like]).how == MODELLED
    assert per_core(found.costings["sse"], sized(found), [like]).how == MODELLED


def _run(section: dict[str, str | int | float | bool | None]) -> Run:
    cell = Cell(
        id="0-websocket-c", transport="websocket", load="c", kind=SEARCHED, block=0, order=0, subscribers=200,
        publishers=1, rooms=4, rate_per_s=10.0, payload_bytes=128, warm_up_s=0, measured_s=1, link="loopback",
        verdict=Verdict(Validity.VALID),
    )  # fmt: skip
    manifest = {"capacity": section}
    return Run(1, "search", "capacity", True, "", 0, 1, manifest, (), {}, (cell,))


def test_a_search_is_read_from_its_run() -> None:
    section = {"websocket.met_per_s": 400.0, "websocket.missed_per_s": 440.0, "websocket.told": True}
    assert searched(_run(cast(dict[str, str | int | float | bool | None], section))) == (
        Carried("websocket", 50.0, 128, 80_000.0, 88_000.0, "search"),
    )


def test_a_search_that_the_instrument_ended_says_nothing() -> None:
    assert (
        searched(_run({"websocket.met_per_s": 400.0, "websocket.missed_per_s": 440.0, "websocket.told": False})) == ()
    )
    assert searched(_run({})) == ()
