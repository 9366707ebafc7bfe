"""A thousand subscribers at ten thousand deliveries a second."""

from __future__ import annotations

import asyncio
import time

from tests.faults.fleet import fleet
from tests.faults.peer import TRANSPORTS
from tests.faults.publisher import Books, Publisher
from tests.faults.scenarios.members import disperse, gather_members
from tests.faults.table import Measured, Row, Run
from tests.faults.waiting import until

_CATCH_UP_S = 30.0


async def load(run: Run) -> list[Row]:
    """One transport after the other."""
    return [await _load(run, transport) for transport in TRANSPORTS]


async def _load(run: Run, transport: str) -> Row:
    # A little more is offered than is asked for: the seconds until the last delivery count too.
    members, bar_per_s, per_s, for_s = run.of(1000, 60), 10, 11, run.of(10, 2)
    async with fleet(run.sub(transport), settings={"PRESENCE_TTL_SECONDS": "30", "HEARTBEAT_SECONDS": "15"}) as running:
        subscribers = await gather_members(running, "load", transport, members)
        publisher = Publisher("load", lambda n: running.access(n, "load", "publisher", proxied=False), Books())
        # Joins are events too; what is counted begins when they are over.
        head = await publisher.publish(f"{time.monotonic()} first")
        offset = int(head.rpartition(":")[2])
        await until(lambda: all(member.last == offset for member in subscribers), _CATCH_UP_S)
        began_s = time.monotonic()
        count = per_s * for_s
        for number in range(count):
            await asyncio.sleep(max(0.0, began_s + number / per_s - time.monotonic()))
            await publisher.publish(f"{time.monotonic()} {number}")
        caught_up = await until(lambda: all(member.chats == count + 1 for member in subscribers), _CATCH_UP_S)
        took_s = time.monotonic() - began_s
        publisher.close()
        disperse(subscribers)
    delivered = sum(member.chats for member in subscribers) - members  # but for the first message
    lost = members * count - delivered
    faults = sum(member.faults for member in subscribers)
    measured: Measured = {"connections": members, "instances": len(running.servers), "deliveries": delivered}
    measured |= {"lost": lost, "faults": faults}
    measured |= {"deliveries_per_s": round(delivered / took_s), "log_offences": len(running.offences)}
    passed = caught_up and not lost and not faults and not running.offences
    passed = passed and delivered / took_s >= members * bar_per_s
    bar = f"{members} connections, {members * bar_per_s} deliveries/s, 0 lost"
    return Row("load", transport, bar, measured, passed)
