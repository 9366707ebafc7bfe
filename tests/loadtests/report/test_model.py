"""The closed forms against the cycles played through, message by message."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.records.cell_spec import poll_phase
from loadtests.report import model
from loadtests.report.latency import FloatArray


def _poisson_ms(rate_per_s: float, seed: int = 1, messages: int = 40_000) -> FloatArray:
    gaps = np.random.default_rng(seed).exponential(1e3 / rate_per_s, messages)
    return np.cumsum(gaps)


@pytest.mark.parametrize("rate_per_s", [1.0, 10.0, 40.0, 200.0])
@pytest.mark.parametrize("turnaround_ms", [0.0, 5.0])
def test_long_poll_mean_and_maximum_agree_with_the_cycle(rate_per_s: float, turnaround_ms: float) -> None:
    played = model.long_poll_latencies_ms(_poisson_ms(rate_per_s), 25.0, turnaround_ms)
    assert played.mean() == pytest.approx(model.long_poll_mean_ms(25.0, rate_per_s, turnaround_ms), rel=0.02)
    assert played.min() == 25.0
    assert played.max() <= model.long_poll_max_ms(25.0, turnaround_ms)


def test_design_figures_at_a_round_trip_of_50_ms() -> None:
    assert model.push_ms(25.0) == 25.0
    assert [round(model.long_poll_mean_ms(25.0, rate)) for rate in (1.0, 10.0, 40.0)] == [26, 36, 48]
    assert model.long_poll_max_ms(25.0) == 75.0
    assert model.short_poll_mean_ms(25.0, 200.0) == 125.0


def test_a_constant_schedule_slower_than_the_blind_time_never_waits() -> None:
    constant = np.arange(0.0, 10_000.0, 100.0)
    assert np.all(model.long_poll_latencies_ms(constant, 25.0) == 25.0)
    assert model.long_poll_latencies_ms(constant, 75.0).max() > 75.0


def test_short_poll_on_a_grid_agrees_with_polls_played_through() -> None:
    rng = np.random.default_rng(2)
    published, phase = rng.uniform(0, 60_000, 50_000), rng.uniform(0, 1000, 50_000)
    played = (phase - published) % 1000 + 10.0
    assert played.mean() == pytest.approx(model.short_poll_mean_ms(10.0, 1000.0), rel=0.01)


def test_500_ms_is_short_polling_once_a_second_and_no_long_poll_on_a_near_link() -> None:
    needs = model.five_hundred(500.0)
    assert model.short_poll_mean_ms(0.0, needs.short_poll_interval_ms) == 500.0
    busiest = model.long_poll_mean_ms(needs.long_poll_one_way_ms, 1e6)
    assert busiest == pytest.approx(500.0, rel=1e-3)
    assert model.long_poll_mean_ms(needs.long_poll_one_way_ms * 0.99, 1e6) < 500.0
    transit_ms = needs.long_poll_round_trip_ms / 2
    assert transit_ms + model.long_poll_mean_ms(transit_ms, 1e6) == pytest.approx(500.0, rel=1e-3)


@pytest.mark.parametrize(
    ("link", "one_way_ms"),
    [
        ("loopback", 0.0),
        ("rtt=50ms", 25.0),
        ("rtt=50ms,loss=1%", 25.0),
        ("rtt=0.6s", 300.0),
        ("wifi", None),
        ("jitter=5ms", None),
    ],
)
def test_a_links_one_way_delay_is_read_from_its_name(link: str, one_way_ms: float | None) -> None:
    assert model.link_one_way_ms(link) == one_way_ms


def test_nothing_is_expected_where_theory_says_0_ms_or_knows_nothing() -> None:
    schedule = [np.arange(0.0, 1000.0, 100.0)]
    assert model.expected("websocket", 0.0, 1000.0, schedule) is None
    assert model.expected("longpoll", 0.0, 1000.0, schedule) is None
    assert model.expected("pigeon", 25.0, 1000.0, schedule) is None


def test_expected_distributions() -> None:
    schedule = [np.arange(0.0, 200.0, 20.0)]
    push = model.expected("sse", 25.0, 1000.0, schedule)
    poll = model.expected("shortpoll", 25.0, 1000.0, schedule)
    held = model.expected("longpoll", 25.0, 1000.0, schedule)
    assert push is not None
    assert poll is not None
    assert held is not None
    assert set(push.latency_ms) == {25.0}
    assert np.interp(0.5, poll.fraction, poll.latency_ms) == pytest.approx(525.0)
    assert held.latency_ms[0] == 25.0
    assert 25.0 < held.latency_ms[-1] <= 75.0


def test_short_polls_are_played_through_at_their_places_on_the_grid() -> None:
    published = np.array([0.0, 260.0, 600.0])
    # Asked at 250: on the server at 275, back at 300. Asked at 1,250 again.
    latencies = model.short_poll_latencies_ms(published, np.array([0.25]), 25.0, 1000.0)
    assert latencies.tolist() == [300.0, 40.0, 700.0]
    in_step = [np.arange(0.0, 5000.0, 500.0)]
    poll = model.expected("shortpoll", 0.0, 1000.0, in_step, [np.array([0.1])])
    assert poll is not None
    assert set(poll.latency_ms.tolist()) == {100.0, 600.0}
    many = np.array([poll_phase(subscriber) for subscriber in range(2000)])
    evenly = model.expected("shortpoll", 0.0, 400.0, [np.arange(0.0, 2000.0, 1.0)], [many])
    assert evenly is not None
    assert np.interp(0.5, evenly.fraction, evenly.latency_ms) == pytest.approx(200.0, abs=2.0)


@pytest.mark.parametrize("rate_per_s", [1.0, 10.0, 40.0])
@pytest.mark.parametrize("percent", [20.0, 50.0, 90.0, 99.0])
def test_long_poll_percentiles_agree_with_the_cycle(rate_per_s: float, percent: float) -> None:
    played = model.long_poll_latencies_ms(_poisson_ms(rate_per_s), 25.0)
    theory = model.long_poll_percentile_ms(25.0, rate_per_s, percent)
    assert np.percentile(played, percent) == pytest.approx(theory, abs=1.2)


def test_the_longest_round_trip_within_a_budget() -> None:
    assert model.longest_rtt_ms("websocket", 100.0, 10.0, 1000.0, 90.0) == pytest.approx(200.0, abs=0.2)
    assert model.longest_rtt_ms("shortpoll", 1000.0, 10.0, 1000.0, 90.0) == pytest.approx(200.0, abs=2.0)
    assert model.longest_rtt_ms("shortpoll", 800.0, 10.0, 1000.0, 90.0) == 0.0
    assert np.isnan(model.longest_rtt_ms("pigeon", 100.0, 10.0, 1000.0, 90.0))
    held_ms = model.longest_rtt_ms("longpoll", 100.0, 40.0, 1000.0, 90.0)
    assert model.long_poll_percentile_ms(held_ms / 2, 40.0, 90.0) == pytest.approx(100.0, abs=0.2)
    assert held_ms < model.longest_rtt_ms("longpoll", 100.0, 2.0, 1000.0, 90.0) <= 200.0
