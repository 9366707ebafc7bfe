"""What is printed fits a terminal and says of each figure how it is known; JSON says the same."""

from __future__ import annotations

import json
from datetime import date

import msgspec

from loadtests.records import prices
from loadtests.report.advise.advice import Basis, advise
from loadtests.report.advise.case import Case
from loadtests.report.advise.render import WIDTH, as_json, as_text, in_full

TODAY = date(2026, 11, 29)
CASE = Case(
    rate_per_s=5.0, payload_bytes=300, subscribers=20_000, rooms=400, link="rtt=80ms,loss=1%", proxy="nginx", tls=True,
    clients=("browser", "mobile"), direction="both",
)  # fmt: skip


def test_the_text_names_case_prices_run_and_the_first_with_its_reason(found: Basis) -> None:
    text = as_text(advise(CASE, prices.find("us-large"), found, TODAY))
    said = " ".join(text.split())
    assert CASE.words in said
    assert f"run {found.run_id}" in said
    assert "Take WebSocket: the cheapest that is in time." in said
    assert "of 2026-09-09: https://aws.amazon.com/ec2/pricing/on-demand/" in said
    assert "unverified" not in said
    assert "heartbeat: 25 s" in said
    assert max(map(len, text.splitlines())) <= WIDTH


def test_every_figure_of_the_first_says_how_it_is_known(found: Basis) -> None:
    advice = advise(CASE, prices.find("us-large"), found, TODAY)
    best = advice.ranked[0].option
    text = " ".join(as_text(advice).split())
    for figure, unit in ((best.p50_ms, "ms"), (best.p99_ms, "ms"), (best.wire_bytes, "B"), (best.memory_kib, "KiB")):
        assert figure is not None
        assert f"{figure.known} ({figure.source})" in in_full(figure, unit)
        assert in_full(figure, unit) in text
    assert ">= " in in_full(best.p99_ms, "ms")
    assert in_full(None, "ms") == "neither measured nor modelled"


def test_figures_that_nobody_looked_up_are_named(found: Basis) -> None:
    paid = prices.find("eu-small")
    assert "hetzner.com/cloud/; unverified: machine.processor_share" in " ".join(
        as_text(advise(CASE, paid, found, TODAY)).split()
    )
    fewer = msgspec.structs.replace(paid, read=paid.read[:1])
    assert json.loads(as_json(advise(CASE, fewer, found, TODAY)))["unverified"] == list(fewer.unverified)
    assert "egress.per_gb" in fewer.unverified


def test_a_case_that_nothing_fits_says_so(found: Basis) -> None:
    case = Case(within_ms=0.001)
    assert "No transport that was measured fits" in as_text(advise(case, prices.find("us-large"), found, TODAY))


def test_json_has_figures_with_interval_and_source_and_the_split(found: Basis) -> None:
    advice = advise(CASE, prices.find("eu-small"), found, date(2027, 11, 29))
    content = json.loads(as_json(advice))
    first = content["ranked"][0]
    assert (content["format"], first["transport"], content["case"]["rooms"]) == ("rtlab-advice", "websocket", 400)
    assert set(first["p50_ms"]) >= {"value", "low", "high", "how", "source", "at_least"}
    assert first["cost"]["currency"] == "EUR"
    split = first["cost"]["split"]
    assert set(split) == {"cpu", "memory", "egress", "idle_connections", "messages", "unused"}
    assert abs(sum(split.values()) - first["cost"]["per_month"]) < 1e-6
    assert {each["transport"] for each in content["out"]} == {"shortpoll"}
    assert any("more than a year" in note for note in content["notes"])
