"""A residual is named after what accounts for it, by planted figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadtests.records.schema import Cell, LinkCheck
from loadtests.report import links
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Condition, Result
from loadtests.report.latency import Ecdf
from loadtests.report.links import Residual
from loadtests.report.study import Study, study
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth


def made(folder: Path, median_ms: float, link: str, *, subscribers: int = 2, cpu_us: float = 10.0) -> Study:
    """Make a study of one condition whose median is `median_ms`, give or take 0.1 ms."""
    truth = Truth(base_ms=median_ms, cpu_us=cpu_us)
    loads = ((f"{subscribers}x20", subscribers, 20.0),)
    make_run(folder, Plan(truths={"websocket": truth}, loads=loads, fan_out=(), blocks=2, link=link))
    found = study(folder)
    median = Estimate(median_ms, median_ms - 0.1, median_ms + 0.1, 2)
    return replace(found, results=tuple(replace(result, p50=median) for result in found.results))


def only(found: Study) -> Residual:
    (residual,) = links.residuals(found)
    return residual


def probed(found: Study, rtt_ms: float) -> Study:
    def change(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, link_check=LinkCheck("tun", 50, 0, 0, 9, 9, rtt_ms, rtt_ms, rtt_ms))

    return replace(found, results=tuple(replace(r, used=tuple(map(change, r.used))) for r in found.results))


def test_a_median_as_the_model_has_it_leaves_nothing_to_name(tmp_path: Path) -> None:
    residual = only(made(tmp_path, 25.05, "rtt=50ms"))

    assert residual.model_ms == 25.0
    assert residual.cause == links.NO_CAUSE


def test_a_link_that_is_too_long_accounts_for_what_is_late(tmp_path: Path) -> None:
    late = made(tmp_path, 28.0, "rtt=50ms")

    assert only(late).cause == links.UNEXPLAINED
    assert only(probed(late, 56.0)).cause == links.LINK_ERROR
    assert only(probed(late, 56.0)).left_ms == pytest.approx(0.0, abs=0.5)


def test_a_large_room_accounts_for_what_its_median_receiver_waits(tmp_path: Path) -> None:
    residual = only(made(tmp_path, 28.0, "rtt=50ms", subscribers=100, cpu_us=60.0))

    assert residual.serving_ms == pytest.approx(3.0, rel=0.1)
    assert residual.cause == links.SERVING


def test_on_a_lossy_link_retransmissions_account_for_the_rest(tmp_path: Path) -> None:
    assert only(made(tmp_path, 40.0, "rtt=50ms,loss=2%")).cause == links.RETRANSMITTED


def test_on_loopback_what_is_left_is_the_stacks_work(tmp_path: Path) -> None:
    residual = only(made(tmp_path, 2.0, "loopback"))

    assert residual.model_ms == 0.0
    assert residual.cause == links.STACK


def test_what_is_too_early_is_no_work_of_the_stack(tmp_path: Path) -> None:
    early = made(tmp_path, 2.0, "loopback")
    as_if = Ecdf(np.array([60.0, 60.0]), np.array([0.0, 1.0]), 0)
    early = replace(early, results=tuple(replace(result, model=as_if) for result in early.results))

    assert only(early).residual_ms == pytest.approx(-58.0)
    assert only(early).cause == links.UNEXPLAINED


@pytest.mark.parametrize("spoil", [lambda r: replace(r, p50=None), lambda r: replace(r, condition=pigeon(r))])
def test_without_a_median_or_a_model_there_is_no_residual(tmp_path: Path, spoil: Callable[[Result], Result]) -> None:
    found = made(tmp_path, 2.0, "loopback")

    assert not links.residuals(replace(found, results=tuple(map(spoil, found.results))))


def pigeon(result: Result) -> Condition:
    return replace(result.condition, transport="pigeon")
