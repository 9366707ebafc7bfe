"""Promises of theory over a link: each is kept or broken by planted figures, and the link's own error is taken off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadtests.evidence import links as command
from loadtests.records.schema import Cell, LinkCheck, Validity
from loadtests.report import links
from loadtests.report.links import link_qualities
from loadtests.report.study import Study, study
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

RTT_MS = 50.0


def check(rtt_ms: float, probes: int = 150, answered: int = 150) -> LinkCheck:
    return LinkCheck("tun", RTT_MS, 0.0, 0.0, probes, answered, rtt_ms - 0.1, rtt_ms, rtt_ms + 1)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
    """Make studies of cells over a round trip of 50 ms, by planted latencies in ms."""

    def make(link: str = "rtt=50ms", lose: int = 0, **latency_ms: float) -> Study:
        truths = {
            name: Truth(base_ms=value, spread=1e-4, us_per_subscriber=0, run_block_spread=0, grid=name == "shortpoll")
            for name, value in latency_ms.items()
        }
        plan = Plan(
            truths=truths,
            loads=(("4x10", 4, 10.0),),
            fan_out=(),
            blocks=1,
            measured_s=20.0,
            link=link,
            lose={f"0-{name}-4x10": lose for name in truths},
        )
        folder = tmp_path_factory.mktemp("linked")
        make_run(folder, plan)
        return study(folder)

    return make


def with_cells(made: Study, change: Callable[[Cell], Cell]) -> Study:
    results = tuple(
        replace(r, cells=tuple(map(change, r.cells)), used=tuple(map(change, r.used))) for r in made.results
    )
    run = msgspec.structs.replace(made.run, cells=tuple(map(change, made.run.cells)))
    return replace(made, results=results, run=run)


def poisson(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, arrivals="poisson")


@pytest.mark.parametrize(("latency_ms", "holds"), [(25.3, True), (27.5, False), (22.0, False)])
def test_a_push_takes_one_transit(linked: Callable[..., Study], latency_ms: float, holds: bool) -> None:
    (promise,) = links.promises(linked(websocket=latency_ms))

    assert promise.expected_ms == 25.0
    assert promise.holds is holds


def test_what_the_link_itself_is_too_long_is_taken_off(linked: Callable[..., Study]) -> None:
    made = linked(websocket=26.6)
    late = with_cells(made, lambda cell: msgspec.structs.replace(cell, link_check=check(52.0)))

    assert not links.promises(made)[0].holds
    (promise,) = links.promises(late)
    assert promise.holds
    assert links.link_error_ms(late.results[0]) == pytest.approx(1.0)


def test_a_long_poll_is_held_to_its_mean_only_where_arrivals_are_random(linked: Callable[..., Study]) -> None:
    made = linked(longpoll=36.0)

    assert [promise.words for promise in links.promises(made)] == ["slowest: three transits at most"]
    mean, slowest = links.promises(with_cells(made, poisson))
    assert mean.expected_ms == pytest.approx(36.3, abs=0.05)
    assert mean.holds
    assert slowest.holds


def test_a_long_poll_that_waits_longer_than_three_transits_breaks_its_promise(linked: Callable[..., Study]) -> None:
    mean, slowest = links.promises(with_cells(linked(longpoll=82.0), poisson))

    assert not mean.holds
    assert not slowest.holds


def test_a_short_poll_takes_a_transit_and_half_its_grid(linked: Callable[..., Study]) -> None:
    (promise,) = links.promises(linked(shortpoll=25.0))

    assert promise.expected_ms == 525.0
    assert promise.holds


def test_a_lossy_link_must_show_a_tail_of_at_least_a_round_trip(linked: Callable[..., Study]) -> None:
    link = "rtt=50ms,loss=2%"

    assert not links.promises(linked(link=link, websocket=26.0))[0].holds
    assert links.promises(linked(link=link, websocket=80.0))[0].holds


def test_an_invalid_condition_proves_nothing(linked: Callable[..., Study]) -> None:
    made = linked(websocket=25.3)
    spoilt = replace(made, results=tuple(replace(result, validity=Validity.INVALID) for result in made.results))

    (promise,) = links.promises(spoilt)

    assert promise.measured_ms is None
    assert not promise.holds


def test_the_loopback_promises_nothing(linked: Callable[..., Study]) -> None:
    made = linked(link="loopback", websocket=0.5)

    assert not links.promises(made)
    assert not command.holds(made), "nothing measured is nothing shown"


def test_the_command_says_each_promise_and_what_was_lost(linked: Callable[..., Study]) -> None:
    kept = with_cells(linked(websocket=25.3), lambda cell: msgspec.structs.replace(cell, link_check=check(50.2)))
    lost = linked(websocket=25.3, lose=3)

    assert command.holds(kept)
    said = "\n".join(command.lines(kept))
    assert "median round trip 50.20 to 50.20 ms over 2 cells, 0 of 300 probes lost" in said
    assert ": holds" in said
    assert "lost, doubled or reordered: nothing" in said
    assert not command.holds(lost)
    assert "websocket 4x10: 3 lost" in command.lines(lost)[-1]


def test_the_command_ends_with_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = Truth(base_ms=29.0, spread=1e-4, us_per_subscriber=0)
    make_run(tmp_path / "bad", Plan(truths={"sse": truth}, loads=(("4x10", 4, 10.0),), fan_out=(), link="rtt=50ms"))

    assert command.main(["--runs", str(tmp_path), "--run", str(tmp_path / "bad")]) == 4
    assert "DOES NOT HOLD" in capsys.readouterr().out
    assert command.main(["--runs", str(tmp_path), "--run", "nosuchrun"]) == 1
    assert "nosuchrun" in capsys.readouterr().err


def test_a_links_quality_is_taken_over_its_cells(linked: Callable[..., Study]) -> None:
    medians = iter(np.linspace(50.1, 50.4, 8))
    made = with_cells(
        linked(websocket=25.3, sse=25.3),
        lambda cell: msgspec.structs.replace(cell, link_check=check(float(next(medians)), answered=149)),
    )
    probed = [cell.link_check.rtt_ms_p50 for cell in made.run.cells if cell.link_check and cell.link_check.rtt_ms_p50]

    (found,) = link_qualities(made.run)

    assert (found.median_low_ms, found.median_high_ms) == (min(probed), max(probed))
    assert (found.cells, found.lost, found.probes) == (len(probed), len(probed), 150 * len(probed))
    assert "real TCP" in found.mechanism
