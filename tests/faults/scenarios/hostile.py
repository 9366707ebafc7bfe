"""Frames and bodies that no client would send, while other clients go on undisturbed."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

import httpx

from tests.contracts.kit import fuzz
from tests.contracts.kit.clients import WebSocketClient
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.hostile import answered, send_frame
from tests.contracts.kit.tokens import sign
from tests.faults.fleet import Fleet, fleet
from tests.faults.scenarios.audience import audience
from tests.faults.table import Row, Run

_ABNORMAL = (1006, 1011)


async def bad_input(run: Run) -> list[Row]:
    """Fuzz both ways in; bystanders follow a stream of messages meanwhile."""
    count = run.of(5000, 300)
    async with fleet(run.folder) as running, audience(running, "hostile", run.seed) as people:
        await people.seat(6)
        steady = asyncio.create_task(people.publisher("steady").run(run.of(600, 60), 20))
        frames, bodies = await asyncio.gather(
            _frames(running, count // 2, random.Random(run.seed)),
            _bodies(running, count - count // 2, random.Random(run.seed + 1)),
        )
        await steady
        caught_up = await people.settle()
        alive = all(server.process.poll() is None for server in running.servers)
    # Some of what is fuzzed is a valid message by chance: a phantom here is none.
    verdict = replace(people.judge(), phantoms=0)
    measured = people.measured(verdict, caught_up=caught_up)
    abnormal = sum(frames.get(code, 0) for code in _ABNORMAL)
    errors = sum(number for status, number in bodies.items() if status >= 500)
    measured |= {"frames_and_bodies": count, "closes_1006_or_1011": abnormal, "status_5xx": errors, "servers_up": alive}
    measured |= {"refused_frames": sum(frames.values()), "refused_bodies": sum(bodies.values()) - bodies.get(200, 0)}
    passed = verdict.clean and caught_up and alive and not abnormal and not errors and not running.offences
    bar = f"{count} fuzzed frames and bodies: no traceback, 5xx or 1006, bystanders lose 0"
    return [Row("bad-input", "websocket frames, HTTP requests", bar, measured, passed)]


async def _frames(running: Fleet, count: int, rng: random.Random) -> dict[int, int]:
    """Send frames; close codes and how often."""
    closes: dict[int, int] = {}
    client: WebSocketClient | None = None
    for number in range(count):
        if client is None:
            server = running.servers[number % len(running.servers)]
            client = WebSocketClient(server.base_url, "hostile", "fuzzer", sign("fuzzer"))
            await client.connect()
        code = await send_frame(client, fuzz.frame_bytes(rng))
        if code is not None:
            closes[code] = closes.get(code, 0) + 1
            await client.abort()
            client = None
    if client is not None:
        await client.abort()
    return closes


async def _bodies(running: Fleet, count: int, rng: random.Random) -> dict[int, int]:
    """Send requests; statuses and how often. A connection that ends without an answer counts as 0."""
    statuses: dict[int, int] = {}
    async with http_client(running.servers[0].base_url) as client:
        for number in range(count):
            wanted = fuzz.http_request(rng, "hostile", sign("fuzzer"))
            server = running.servers[number % len(running.servers)]
            status = 0
            with suppress(httpx.TransportError):
                async with answered(client, wanted, server.base_url) as response:
                    status = response.status_code
            statuses[status] = statuses.get(status, 0) + 1
    return statuses
