"""`/health` and `/metrics`: they have the names of the contract, and the values are right."""

from __future__ import annotations

import asyncio

import pytest

from tests.contracts.kit.clients import PollClient, RefusedError
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.events import parse_object
from tests.contracts.kit.metrics import Metrics, scrape, until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import STREAMS, TRANSPORTS, Connect, Target

COUNTERS = {
    "rtlab_events_published_total",
    "rtlab_deliveries_total",
    "rtlab_resumes_total",
    "rtlab_rejected_total",
    "rtlab_slow_consumers_total",
}
GAUGES = {"rtlab_connections", "rtlab_rooms", "rtlab_outbox_bytes"}


@pytest.fixture
def counted(servers: ServerPool) -> ServerProcess:
    """An `all` server whose totals no other test moves."""
    return servers.shared("all", purpose="totals")


async def test_health_names_transport_and_instance(server: ServerProcess, target: Target) -> None:
    async with http_client(server.base_url) as http:
        response = await http.get("/health")
    body = parse_object(response.content)
    assert response.status_code == 200
    assert (body["status"], body["transport"]) == ("ok", target.server.removesuffix("-h2"))
    assert isinstance(body["instance"], str)
    assert body["instance"]
    assert body["deflate"] is False
    assert body["tcpNodelay"] is True


async def test_every_metric_is_there(server: ServerProcess) -> None:
    families = (await scrape(server)).families
    counters = {f"{name}_total" for name, family in families.items() if family.type == "counter"}
    gauges = {name for name, family in families.items() if family.type == "gauge"}
    assert counters >= COUNTERS
    assert gauges >= GAUGES
    assert families["rtlab_backplane_seconds"].type in {"histogram", "summary"}


async def test_connections_count_open_streams_and_held_polls(counted: ServerProcess, connect: Connect) -> None:
    await until_total(counted, "rtlab_connections", lambda total: total == 0)
    for name in ("websocket", *STREAMS):
        client = await connect(name, transport=name, server=counted)
        await until_total(counted, "rtlab_connections", lambda total: total == 1, transport=name)
        await client.close()
        await until_total(counted, "rtlab_connections", lambda total: total == 0)
    poller = await connect("poller", transport="longpoll", server=counted)
    assert isinstance(poller, PollClient)
    await poller.caught_up()
    held = asyncio.create_task(poller.poll(poller.position, 55))
    await until_total(counted, "rtlab_connections", lambda total: total == 1)
    held.cancel()
    await until_total(counted, "rtlab_connections", lambda total: total == 0)


def moved(before: Metrics, after: Metrics, name: str, **labels: str) -> float:
    return after.total(name, **labels) - before.total(name, **labels)


async def test_published_and_deliveries_count_events(counted: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice", transport="websocket", server=counted)
    readers = [await connect(name, transport=name, server=counted) for name in ("websocket", *STREAMS, "longpoll")]
    everybody = [alice, *readers]
    marker = await alice.publish("everyone is here")
    for client in everybody:
        while client.position != marker:
            await client.next_event()
    before = await scrape(counted)
    last = [await alice.publish(str(count)) for count in range(10)][-1]
    for client in everybody:
        while client.position != last:
            await client.next_event()
    after = await scrape(counted)
    assert moved(before, after, "rtlab_events_published_total") == 10
    assert moved(before, after, "rtlab_deliveries_total") == 10 * len(everybody)
    assert moved(before, after, "rtlab_deliveries_total", transport="websocket") == 20
    assert moved(before, after, "rtlab_deliveries_total", transport="sse") == 10


async def test_joins_and_leaves_are_published_too(counted: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer", transport="websocket", server=counted)
    before = await scrape(counted)
    alice = await connect("alice", transport="websocket", server=counted)
    await observer.presence_of(alice.user_id)
    await alice.close()
    assert (await observer.presence_of(alice.user_id)).type == "user_left"
    assert moved(before, await scrape(counted), "rtlab_events_published_total") == 2


async def test_resumes_are_counted_by_outcome(counted: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice", transport="websocket", server=counted)
    since = await alice.publish("x")
    before = await scrape(counted)
    await connect("alice", transport="sse", since=since, server=counted)
    await connect("alice", transport="websocket", since="Zz9Zz9Zz9Zz9:1", server=counted)
    await connect("alice", transport="sse", since=since.plus(1000), server=counted)
    after = await scrape(counted)
    assert moved(before, after, "rtlab_resumes_total") == 3
    assert moved(before, after, "rtlab_resumes_total", outcome="recovered") == 1
    assert moved(before, after, "rtlab_resumes_total", outcome="epoch_changed") == 1
    assert moved(before, after, "rtlab_resumes_total", outcome="position_ahead") == 1


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_rejections_are_counted_by_code(counted: ServerProcess, connect: Connect, transport: str) -> None:
    alice = await connect("alice", transport=transport, server=counted)
    before = await scrape(counted)
    with pytest.raises(RefusedError):
        await alice.publish("")
    assert moved(before, await scrape(counted), "rtlab_rejected_total", code="bad_request") == 1


async def test_empty_rooms_are_freed(servers: ServerPool, connect: Connect) -> None:
    """A room is kept while its history may be asked for, and then it is gone."""
    server = servers.shared("all", {"HISTORY_SECONDS": "0.5", "PRESENCE_TTL_SECONDS": "1"})
    for name in TRANSPORTS:
        client = await connect(name, transport=name, server=server)
        if isinstance(client, PollClient):
            await client.leave()
        await client.close()
    assert (await scrape(server)).labels("rtlab_rooms") <= {"transport"}
    await until_total(server, "rtlab_rooms", lambda total: total == 0)
