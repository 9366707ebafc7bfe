"""Ten minutes of joins and leaves: no memory, descriptor, task, room or key may be left over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping

import psutil

from tests.contracts.kit.clients.http import http_client
from tests.faults.fleet import Fleet, fleet
from tests.faults.peer import TRANSPORTS, connect, make_client
from tests.faults.publisher import Books, Publisher
from tests.faults.table import Measured, Row, Run
from tests.faults.waiting import until

_SETTLE_S = 25.0
_GROWTH = 0.10
_GAUGES = ("rtlab_rooms", "rtlab_connections", "rtlab_tasks")


async def soak(run: Run) -> list[Row]:
    """Joins at a steady pace into rooms at random, each with a message now and then, each leaving by itself."""
    joins, rooms, for_s = run.of(20_000, 200), run.of(5000, 50), run.of(600, 5)
    warm_s = run.of(60, 2)
    settings = {"HISTORY_SECONDS": str(run.of(10, 2)), "PRESENCE_TTL_SECONDS": "3"}
    async with fleet(run.folder, settings=settings) as running:
        rng = random.Random(run.seed)
        pace = joins / for_s
        warm = await _come_and_go(running, rng, round(pace * warm_s), rooms, pace)
        start = await _state(running)
        joined = await _come_and_go(running, rng, joins, rooms, pace)
        busy = await _state(running)
        await _settle(running)
        end = await _state(running)
    growth = max(busy[f"rss_mib_{n}"] / start[f"rss_mib_{n}"] - 1 for n in range(len(running.servers)))
    measured: Measured = {"joins": warm + joined, "rooms": rooms, "seconds": for_s + warm_s}
    measured |= {"rss_growth": round(growth, 4)}
    measured |= {f"start_{name}": value for name, value in start.items()}
    measured |= {f"end_{name}": value for name, value in end.items()}
    back = end["connections"] == 0 and end["rooms"] == 0 and end["redis_keys"] <= 2
    back = back and end["fds"] <= start["fds"] and end["tasks"] <= start["tasks"]
    passed = growth <= _GROWTH and back and joined == joins and not running.offences
    bar = f"{joins} joins, {rooms} rooms: RSS grows at most 10 %; descriptors, tasks, rooms, keys back to the start"
    return [Row("soak", "all transports", bar, measured, passed or (not run.full and back))]


async def _come_and_go(running: Fleet, rng: random.Random, joins: int, rooms: int, pace: float) -> int:
    """Join `joins` times; how many were welcomed."""
    welcomed = 0
    visits: set[asyncio.Task[bool]] = set()
    began_s = time.monotonic()
    for number in range(joins):
        await asyncio.sleep(max(0.0, began_s + number / pace - time.monotonic()))
        visit = asyncio.create_task(_visit(running, rng, number, f"soak-{rng.randrange(rooms)}"))
        visits.add(visit)
        for done in [each for each in visits if each.done()]:
            visits.discard(done)
            welcomed += done.result()
    return welcomed + sum(await asyncio.gather(*visits))


async def _visit(running: Fleet, rng: random.Random, number: int, room: str) -> bool:
    """Join, perhaps say something, stay a moment, go: sometimes politely."""
    user = f"visitor-{number % 1000}"
    client = make_client(TRANSPORTS[number % len(TRANSPORTS)], running.access(number, room, user, proxied=False))
    peer = await connect(client, lambda event: None)
    if peer is None:
        return False
    welcomed = await until(lambda: client.welcomed or peer.ended.is_set(), 10.0) and client.welcomed
    if number % 4 == 0:
        publisher = Publisher("soak", lambda n: running.access(number + n, room, user, proxied=False), Books())
        await publisher.publish(f"soak {number}")
        publisher.close()
    await asyncio.sleep(rng.uniform(0.0, 1.0))
    if number % 2:
        peer.close()
    else:
        peer.abort()
    return welcomed


async def _settle(running: Fleet) -> None:
    """Wait until what the settings let live is gone."""
    until_s = time.monotonic() + _SETTLE_S
    while time.monotonic() < until_s:
        state = await _state(running)
        if not state["connections"] and not state["rooms"] and state["redis_keys"] <= 2:
            return
        await asyncio.sleep(0.5)


async def _state(running: Fleet) -> Mapping[str, float]:
    """What could stay behind, over all instances."""
    state = {"connections": 0.0, "rooms": 0.0, "tasks": 0.0, "fds": 0.0}
    for number, server in enumerate(running.servers):
        async with http_client(server.base_url) as client:
            text = (await client.get("/metrics")).text
        for name in _GAUGES:
            lines = [line for line in text.splitlines() if line.startswith(name)]
            state[name.removeprefix("rtlab_")] += sum(float(line.rpartition(" ")[2]) for line in lines)
        process = psutil.Process(server.process.pid)
        state["fds"] += process.num_fds()
        state[f"rss_mib_{number}"] = round(process.memory_info().rss / 2**20, 1)
    async with running.redis.client() as client:
        state["redis_keys"] = float(await client.dbsize())
    return state
