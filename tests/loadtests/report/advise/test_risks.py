"""Each risk follows from its evidence; other evidence, another risk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from loadtests.records.facts import Trait, Traits
from loadtests.records.middleboxes import Middleboxes, Row, Seen
from loadtests.records.storm import KILL, Cut, Latency, Storm, Storms
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.case import APP, MOBILE, Case
from loadtests.report.advise.risks import (
    battery,
    ghost,
    heartbeat,
    joins_per_s,
    misfit,
    proxy,
    returning,
    window_s,
)
from loadtests.report.advise.sizing import Size
from loadtests.report.verdicts.evidence import Evidence, Fault, Faults

NGINX = Case(proxy="nginx")


def boxes(evidence: Evidence, *rows: Row) -> Evidence:
    found = Middleboxes(
        schema=1, commit="abc", form="scaled", started_utc="", elapsed_s=1, heartbeat_s=1, timeout_s=4, rows=rows
    )
    return replace(evidence, middleboxes=found)


def row(verdict: str, *, cured: bool = False, **seen: Any) -> Row:
    return Row(
        box="nginx", version="1.22", transport="websocket", seen=Seen(joined=True, **seen), verdict=verdict,
        words=verdict, cure=("proxy_http_version 1.1;",) if verdict != "passes" else (), cured=cured,
    )  # fmt: skip


def test_a_box_that_stops_it_rules_it_out_unless_a_setting_cured_that(evidence: Evidence) -> None:
    for found, out, words in (
        (row("passes"), False, "passes nginx as it comes"),
        (row("refused", cured=True), False, "needs proxy_http_version 1.1;"),
        (row("refused"), True, "no setting here is known"),
    ):
        risk = proxy(NGINX, boxes(evidence, found), "websocket")
        assert risk is not None
        assert risk.out is out
        assert words in risk.words


def test_without_boxes_the_traits_speak_of_nginx(evidence: Evidence) -> None:
    for told, out in (("passes", False), ("refused", True)):
        trait = Trait(transport="websocket", duplex=True, proxy="refused", proxy_told=told)
        traits = Traits(schema=1, commit="abc", nginx="1.22", rows=(trait,))
        risk = proxy(NGINX, replace(evidence, traits=traits), "websocket")
        assert risk is not None
        assert risk.out is out


def test_what_was_not_tried_is_said_and_a_poll_is_an_ordinary_answer(evidence: Evidence) -> None:
    push, poll = (proxy(NGINX, evidence, name) for name in ("websocket", "longpoll"))
    assert push is not None
    assert poll is not None
    assert push.words == "not tried behind nginx"
    assert "ordinary" in poll.words
    assert proxy(Case(), evidence, "websocket") is None


def test_a_heartbeat_is_below_half_of_the_smallest_idle_timeout() -> None:
    for case, every_s in (
        (Case(proxy="nginx"), 25),
        (Case(proxy="haproxy"), 20),
        (Case(proxy="cloudflare"), 45),
        (Case(proxy="cloudflare", clients=(MOBILE,)), 45),
        (Case(clients=(MOBILE,)), 145),
        (Case(), 15),
    ):
        found = heartbeat(case)
        assert found.every_s == every_s
        assert found.least is None or found.every_s < found.least.seconds / 2


def storms(joins: float, transport: str = "websocket") -> Storms:
    cut = Cut(
        clients=1000, noticed_s=0, back_50_s=0, back_99_s=0, back_100_s=1000 / joins, unrefused_100_s=0, refused=0,
        replayed=0, bystanders=Latency(0, None), server_us_per_join=0, redis_us_per_join=0, server_busy=1, lab_busy=0,
    )  # fmt: skip
    calm = Latency(0, None)
    one = Storm(
        transport=transport, kind=KILL, repeat=0, window_ratio=0, window_s=0, cuts=(cut,), calm=calm, gap_50_s=0,
        gap_99_s=0, gap_100_s=0, published=0, late_p99_ms=None, lost=0, doubled=0, told_gaps=0,
    )  # fmt: skip
    return Storms(run_id="storm-run", commit="", clients=1000, rooms=1, rate_per_s=1, redis="", storms=(one,))


def sized(processes: int, machines: int) -> Size:
    return cast(Size, replace(cast(Any, _SIZE), processes=processes, machines=machines))


_SIZE = Size(1, 1, 1, 1, cast(Any, None), 1.0, cast(Any, None))


def test_the_jitter_of_reconnecting_is_clients_by_joins() -> None:
    case = Case(subscribers=20_000, rooms=400)
    assert joins_per_s(storms(500), "websocket") == pytest.approx(500)
    alone = window_s(case, storms(500), "websocket", sized(4, 1))
    two = window_s(case, storms(500), "websocket", sized(8, 2))
    faster = window_s(case, storms(1000), "websocket", sized(4, 1))
    assert alone == pytest.approx(20_000 / (500 * 4))
    assert two == pytest.approx(10_000 / (500 * 4))
    assert faster == pytest.approx(5)


def test_without_a_storm_of_the_transport_no_window_is_said() -> None:
    assert window_s(Case(), storms(500, "sse"), "websocket", sized(1, 1)) is None
    assert window_s(Case(), None, "websocket", sized(1, 1)) is None
    assert window_s(Case(), storms(500), "websocket", None) is None
    risk = returning(Case(subscribers=1000), storms(500), "websocket", sized(1, 1))
    assert risk is not None
    assert "spread them over 2.00 s" in risk.words


def test_ghosts_are_those_of_the_box_and_else_of_the_faults(evidence: Evidence) -> None:
    fault = Fault("half-open", "all", {"vanishing-websocket_left_after_s": 7.99}, passed=True)
    faulty = replace(evidence, faults=Faults("abc", (fault,)))
    without = ghost(NGINX, faulty, "websocket")
    behind = ghost(NGINX, boxes(faulty, row("passes", pulled_s=3.5)), "websocket")
    assert without is not None
    assert behind is not None
    assert "7.99 s" in without.words
    assert "left after 3.50 s" in behind.words
    unseen = ghost(NGINX, boxes(faulty, row("passes", pulled="not noticed within 6 s")), "websocket")
    untried = ghost(NGINX, boxes(faulty, row("passes", pulled="needs root")), "websocket")
    assert unseen is not None
    assert untried is not None
    assert "was not noticed within 6 s" in unseen.words
    assert "7.99 s" in untried.words
    assert ghost(NGINX, evidence, "websocket") is None


def test_the_radio_rests_only_where_packets_are_rare() -> None:
    rare, often = (Case(rate_per_s=rate, clients=(MOBILE,)) for rate in (0.001, 5.0))
    found = (battery(rare, "websocket", 100.0), battery(often, "websocket", 100.0), battery(rare, "shortpoll", 100.0))
    words = [risk.words for risk in found if risk]
    assert "awake 10 % of the time" in words[0]
    assert "awake all of the time" in words[1]
    assert "awake all of the time" in words[2]
    assert battery(msgspec.structs.replace(rare, clients=(APP,)), "websocket", 100.0) is None


def test_what_browsers_lack_is_no_matter_to_an_app(evidence: Evidence, found: Basis) -> None:
    assert misfit(Case(), evidence, "h2push")
    assert misfit(Case(clients=(APP,)), evidence, "h2push") == ""
    assert misfit(Case(), evidence, "websocket") == ""
