"""A figure anywhere: the measurement where one is, corrected between them, the model alone beyond."""

from __future__ import annotations

import pytest

from loadtests.report.advise.figure import BETWEEN, MEASURED, MODELLED
from loadtests.report.advise.surface import Seen, Surface, fit, place


def seen(members: float, value: float, low: float | None = None, high: float | None = None) -> Seen:
    return Seen(place(1, 100, members, 0, 1, 0.0), (1.0, members), 0.0, value, low, high, "run")


def surface(*found: Seen, ratio: bool = True) -> Surface:
    made = fit(found, ratio=ratio)
    assert made is not None
    return made


LINE = [seen(members, 5 + 2 * members) for members in (1, 4, 10, 40, 100)]


def test_planted_coefficients_are_found() -> None:
    assert surface(*LINE).coefficients == pytest.approx((5, 2))


def test_a_measured_point_is_the_measurement_with_its_interval() -> None:
    made = surface(*LINE, seen(20, 60, 50, 70))
    figure = made.at(place(1, 100, 20, 0, 1, 0.0), (1.0, 20.0))
    assert (figure.value, figure.low, figure.high, figure.how, figure.source) == (60, 50, 70, MEASURED, "run")


def test_between_measurements_the_model_bends_to_those_near() -> None:
    bent = surface(*LINE, seen(20, 60))
    figure = bent.at(place(1, 100, 21, 0, 1, 0.0), (1.0, 21.0))
    assert figure.how == BETWEEN
    assert figure.value > bent.model((1.0, 21.0), 0.0) * 1.05
    assert figure.low is not None
    assert figure.low < figure.value


def test_beyond_the_hull_the_model_stands_alone_with_its_residual() -> None:
    made = surface(*LINE, seen(20, 60))
    figure = made.at(place(1, 100, 1000, 0, 1, 0.0), (1.0, 1000.0))
    assert figure.how == MODELLED
    assert figure.value == pytest.approx(made.model((1.0, 1000.0), 0.0))
    assert figure.high is not None
    assert figure.high > figure.value


def test_another_group_is_no_neighbour() -> None:
    figure = surface(*LINE).at(place(1, 100, 10, 0, 1, 1.0), (1.0, 10.0))
    assert figure.how == MODELLED


def test_no_coefficient_is_below_zero() -> None:
    falling = [seen(members, 100 - members / 2) for members in (1, 4, 10, 40, 100)]
    assert min(surface(*falling).coefficients) >= 0


def test_a_point_that_the_model_says_nothing_of_is_no_error() -> None:
    none = [
        Seen(place(1, 100, m, 0, 1, 0.0), (0.0, 1.0 if m > 1 else 0.0), 0.0, 10.0, None, None, "run") for m in (1, 4, 9)
    ]
    assert surface(*none).at(place(1, 100, 2, 0, 1, 0.0), (0.0, 1.0)).value > 0


def test_wild_points_widen_the_interval_and_few_points_have_none() -> None:
    wild = [seen(m, v) for m, v in ((1, 20.0), (4, 8.0), (10, 60.0), (40, 50.0), (100, 300.0))]
    calm, torn = (surface(*points).outside for points in (LINE, wild))
    assert calm is not None
    assert torn is not None
    assert calm < 0.01 < 0.3 < torn
    assert surface(*LINE[:2]).outside is None
    assert fit([], ratio=True) is None
