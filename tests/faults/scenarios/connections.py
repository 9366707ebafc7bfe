"""Connections that are cut at any byte, and one order for all who receive."""

from __future__ import annotations

import asyncio

from tests.faults.fleet import fleet
from tests.faults.scenarios.audience import audience
from tests.faults.table import Row, Run


async def cuts(run: Run) -> list[Row]:
    """RST at random bytes; every client comes back at the other instance, every second time by another transport."""
    messages, clients, resets = run.of(10_000, 400), run.of(30, 9), run.of(100, 20)
    per_s = run.of(160, 100)
    async with fleet(run.folder) as running, audience(running, "cuts", run.seed) as people:
        running.chaos.slice_share = 0.2
        average = 250 * messages * 0.7 * clients / (resets * 2.0)  # bytes between cuts, so that there will be enough
        running.chaos.reset_after_bytes = (300, int(2 * average))
        await people.seat(clients)
        publishers = [people.publisher(f"p{number}", number, proxied=True) for number in range(2)]
        await asyncio.gather(*(each.run(messages // 2, per_s / 2) for each in publishers))
        running.chaos.reset_after_bytes = None
        caught_up = await people.settle()
    verdict = people.judge()
    measured = people.measured(verdict, caught_up=caught_up) | {"resets": running.resets}
    passed = verdict.clean and not verdict.announced_gaps and caught_up and not running.offences
    bar = f"{messages} messages, {clients} clients, at least {resets} RST: 0 lost, 0 duplicated, 0 reordered"
    passed = passed and running.resets >= resets and len(people.books.acknowledged) > messages
    return [Row("cuts", "all transports, roaming", bar, measured, passed)]


async def order(run: Run) -> list[Row]:
    """Three publishers over two instances; one subscriber per transport and instance."""
    messages, per_s = run.of(1000, 100), run.of(100, 100)
    async with fleet(run.folder) as running, audience(running, "order", run.seed) as people:
        for transport in ("websocket", "sse", "longpoll"):
            await people.seat(2, (transport,))
        publishers = [people.publisher(f"p{number}", number) for number in range(3)]
        await asyncio.gather(*(each.run(messages, per_s) for each in publishers))
        caught_up = await people.settle()
    verdict = people.judge()
    chats = [[each.id for each in witness.log.received if each.kind == "chat"] for witness in people.witnesses]
    same = all(each == chats[0] for each in chats)
    measured = people.measured(verdict, caught_up=caught_up) | {"sequences_equal": same}
    passed = verdict.clean and not verdict.announced_gaps and caught_up and same and len(chats[0]) == 3 * messages + 1
    bar = "six subscribers see the same sequence without holes"
    return [Row("order", "3 publishers, 2 instances", bar, measured, passed)]
