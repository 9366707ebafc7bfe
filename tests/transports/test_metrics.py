"""`/metrics` in the contract's names, counting what it says it counts."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.transports.access import bearer
from tests.transports.conftest import Open
from transports.registry import TRANSPORTS, parts

FAMILIES = {
    "rtlab_connections": ("gauge", "transport"),
    "rtlab_rooms": ("gauge", None),
    "rtlab_events_published": ("counter", None),
    "rtlab_deliveries": ("counter", "transport"),
    "rtlab_resumes": ("counter", "outcome"),
    "rtlab_rejected": ("counter", "code"),
    "rtlab_slow_consumers": ("counter", "transport"),
    "rtlab_outbox_bytes": ("gauge", None),
    "rtlab_backplane_seconds": ("summary", None),
}


TRANSPORTS_OF: dict[str, set[str]] = {name: set(parts(name)) for name in TRANSPORTS}
CODES = {
    "bad_request", "unauthorized", "forbidden", "not_found", "method_not_allowed", "too_large", "rate_limited",
    "slow_consumer", "shutting_down", "unavailable", "upgrade_required",
}  # fmt: skip
OUTCOMES = {"recovered", "epoch_changed", "history_evicted", "position_ahead"}


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_every_sample_that_can_occur_is_there_at_0_from_the_start(open_app: Open, name: str) -> None:
    async with open_app(name) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for family, (kind, label) in FAMILIES.items():
        assert families[family].type == kind
        labels = {"transport": TRANSPORTS_OF[name], "code": CODES, "outcome": OUTCOMES}.get(label or "", {""})
        counted = [each for each in families[family].samples if not each.name.endswith("_created")]
        assert {each.labels.get(label or "", "") for each in counted} == labels
        assert {each.value for each in counted} == {0.0}


async def test_counters_follow_what_happens(open_app: Open) -> None:
    async with open_app() as client:
        headers = bearer()
        first = (await client.get("/rooms/lobby/poll", headers=headers)).json()  # alice joins
        await client.post("/rooms/lobby/messages", json={"content": "hi"}, headers=headers)
        polled = await client.get("/rooms/lobby/poll", params={"since": first["position"]}, headers=headers)
        assert len(polled.json()["events"]) == 2
        foreign = await client.get("/rooms/lobby/poll", params={"since": "foreign00:1"}, headers=headers)
        assert foreign.json()["events"][0]["type"] == "resync"
        await client.post("/rooms/lobby/messages", content=b"{", headers=headers)
        text = (await client.get("/metrics")).text
        samples = {
            (sample.name, *sample.labels.items()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert samples["rtlab_events_published_total",] == 2
        assert samples["rtlab_deliveries_total", ("transport", "longpoll")] == 2
        assert samples["rtlab_connections", ("transport", "longpoll")] == 0
        assert samples["rtlab_resumes_total", ("outcome", "recovered")] == 1
        assert samples["rtlab_resumes_total", ("outcome", "epoch_changed")] == 1
        assert samples["rtlab_rejected_total", ("code", "bad_request")] == 1
        assert samples["rtlab_rooms",] == 1
        assert samples["rtlab_outbox_bytes",] == 0
        assert samples["rtlab_backplane_seconds_count",] > 0
        labels = {
            family.name: [set(each.labels) for each in family.samples]
            for family in text_string_to_metric_families(text)
        }
        for name, (_, label) in FAMILIES.items():
            assert all(given == ({label} if label else set()) for given in labels[name])


@pytest.mark.parametrize("name", ["sse", "longpoll", "shortpoll", "websocket", "all"])
async def test_health_names_its_transport(open_app: Open, name: str) -> None:
    async with open_app(name) as client:
        answer = await client.get("/health")
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert answer.json()["transport"] == name
        assert answer.json()["sink"] == "portable"  # no uvicorn behind it
        assert answer.json()["writes"] is None
        assert answer.json()["tcpNodelay"] is None
