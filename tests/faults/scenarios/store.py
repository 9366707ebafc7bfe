"""Redis killed, its connections killed, emptied, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from tests.contracts.kit.clients.http import http_client
from tests.faults.fleet import Fleet, fleet
from tests.faults.redis_server import MortalRedis
from tests.faults.scenarios.audience import audience
from tests.faults.table import Measured, Row, Run
from tests.faults.waiting import until
from tests.faults.witness import Witness

_DOWN_S = 1.0


async def redis_kill(run: Run) -> list[Row]:
    """SIGKILL of a Redis with an append-only file, started again on it."""

    async def kill(redis: MortalRedis) -> None:
        redis.kill()
        await asyncio.sleep(_DOWN_S)
        await redis.start()

    kills, messages = run.of(3, 1), run.of(3000, 150)
    measured, passed = await _killed(run, "redis", kills, messages, kill, aof=True)
    bar = f"{kills} SIGKILLs with AOF: 0 of {messages} lost"
    return [Row("redis-kill", "all transports", bar, measured, passed)]


async def client_kill(run: Run) -> list[Row]:
    """CLIENT KILL of every connection that the instances have to Redis."""
    kills, messages = run.of(20, 4), run.of(2000, 150)
    measured, passed = await _killed(run, "kicked", kills, messages, MortalRedis.kill_clients)
    return [Row("redis-client-kill", "all transports", f"{kills} CLIENT KILL: 0 lost", measured, passed)]


async def _killed(
    run: Run,
    room: str,
    kills: int,
    messages: int,
    kill: Callable[[MortalRedis], Awaitable[None]],
    *,
    aof: bool = False,
) -> tuple[Measured, bool]:
    """Kill so often while messages are published, 100 a second; what was measured, and whether it passed."""
    per_s = 100
    async with fleet(run.folder, aof=aof) as running, audience(running, room, run.seed) as people:
        await people.seat(run.of(12, 6))
        publishing = [
            asyncio.create_task(people.publisher(f"p{number}", number).run(messages // 2, per_s / 2))
            for number in range(2)
        ]
        for _ in range(kills):
            await asyncio.sleep(messages / per_s / (kills + 1))
            await kill(running.redis)
        await asyncio.gather(*publishing)
        caught_up = await people.settle()
    verdict = people.judge()
    measured = people.measured(verdict, caught_up=caught_up) | {"kills": kills}
    return measured, verdict.clean and not verdict.announced_gaps and caught_up and not running.offences


async def emptied(run: Run) -> list[Row]:
    """FLUSHALL, and a restart without a file: everybody gets a `resync`, and the new epoch from its start."""
    return [await _emptied(run, how) for how in (("FLUSHALL", "restart empty") if run.full else ("FLUSHALL",))]


async def _emptied(run: Run, how: str) -> Row:
    async with fleet(run.sub(how.replace(" ", "-"))) as running, audience(running, "emptied", run.seed) as people:
        await people.seat(run.of(12, 6))
        await people.publisher("before").run(run.of(200, 40), 100)
        began_s = time.monotonic()
        if how == "FLUSHALL":
            async with running.redis.client() as client:
                await client.flushall()
        else:
            running.redis.kill()
            await asyncio.sleep(_DOWN_S)
            await running.redis.start()
        # Before the other instance can have noticed: its subscribers are owed these too.
        await people.publisher("at-once").run(run.of(100, 20), 2000)
        notified_after_s = await _all_notified(people.witnesses, began_s)
        await people.publisher("after").run(run.of(200, 40), 100)
        caught_up = await people.settle()
    # What was acknowledged in the epoch that ended is lost, and the `resync` announced that to everybody.
    verdict = people.judge()
    measured = people.measured(verdict, caught_up=caught_up) | {"all_notified_after_s": round(notified_after_s, 2)}
    measured["notified"] = sum(witness.log.announced_gaps > 0 for witness in people.witnesses)
    gaps = [received.id for witness in people.witnesses for received in witness.log.received if received.gap]
    measured["gaps_that_leave_out_events"] = sum(not position.endswith(":0") for position in gaps)
    passed = verdict.clean and caught_up and notified_after_s >= 0 and not running.offences
    passed = passed and not measured["gaps_that_leave_out_events"]
    bar = "every client is notified, and receives all that was acknowledged since"
    return Row("redis-emptied", how, bar, measured, passed)


async def _all_notified(witnesses: list[Witness], since_s: float) -> float:
    """Seconds until every witness received a resync; -1 when one never did."""
    announced = await until(lambda: all(each.log.announced_gaps for each in witnesses), 15.0)
    return time.monotonic() - since_s if announced else -1.0


async def stopped(run: Run) -> list[Row]:
    """SIGSTOP: connections stand, nothing answers. What was refused meanwhile must never appear."""
    pause_s = run.of(10, 3)
    async with fleet(run.folder) as running, audience(running, "stopped", run.seed) as people:
        await people.seat(run.of(12, 6))
        publishers = [people.publisher(f"p{number}", number, insist=False) for number in range(8)]
        publishing = [asyncio.create_task(each.run(run.of(150, 40), 10)) for each in publishers]
        await asyncio.sleep(1.5)
        running.redis.freeze()
        slowest_s, statuses = await _watch_health(running, pause_s)
        running.redis.thaw()
        await asyncio.gather(*publishing)
        caught_up = await people.settle()
    verdict = people.judge()
    books = people.books
    measured = people.measured(verdict, caught_up=caught_up)
    measured |= {"stopped_s": pause_s, "unanswered": len(books.unanswered), "health_slowest_s": round(slowest_s, 3)}
    measured["health_503"] = statuses.count(503)
    live = slowest_s <= 1.0 and 503 in statuses
    passed = verdict.clean and not verdict.announced_gaps and caught_up and live and not books.unanswered
    bar = f"SIGSTOP {pause_s} s: refused or delayed with an answer, nothing refused appears; liveness within 1 s"
    return [Row("redis-stopped", "all transports", bar, measured, passed and bool(books.refused))]


async def _watch_health(running: Fleet, for_s: float) -> tuple[float, list[int]]:
    """Ask every instance five times a second; the slowest answer and all statuses."""
    until_s = time.monotonic() + for_s
    slowest_s, statuses = 0.0, []
    async with http_client(running.servers[0].base_url, timeout=5.0) as client:
        while time.monotonic() < until_s:
            for server in running.servers:
                began_s = time.monotonic()
                try:
                    statuses.append((await client.get(f"{server.base_url}/health")).status_code)
                except httpx.TransportError:
                    statuses.append(0)
                slowest_s = max(slowest_s, time.monotonic() - began_s)
            await asyncio.sleep(0.2)
    return slowest_s, statuses
