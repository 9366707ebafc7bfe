"""The rate limit, whatever way a user takes; and no token in any log."""

from __future__ import annotations

import asyncio
import time

from loadtests.load.clients.base import Event
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.tokens import sign
from tests.faults.fleet import Fleet, fleet
from tests.faults.peer import connect, make_client
from tests.faults.table import Measured, Row, Run

_RATE, _BURST = 10, 20
_AT_ONCE = 6


async def limits(run: Run) -> list[Row]:
    """One user on many connections, transports, rooms and instances, with forged addresses: one bucket."""
    for_s = run.of(10, 2)
    settings = {"RATE": str(_RATE), "BURST": str(_BURST)}
    async with fleet(run.folder, settings=settings) as running:
        began_s = time.monotonic()
        counts = await asyncio.gather(
            *(_post(running, number, began_s + for_s) for number in range(_AT_ONCE)),
            *(_chat(running, number, began_s + for_s) for number in range(2)),
        )
        took_s = time.monotonic() - began_s
    accepted, refused = (sum(each[place] for each in counts) for place in (0, 1))
    allowed = _BURST + _RATE * took_s
    measured: Measured = {
        "accepted": accepted,
        "refused": refused,
        "allowed": round(allowed, 1),
        "seconds": round(took_s, 2),
    }
    passed = 0.8 * allowed <= accepted <= allowed + 1 and refused > accepted and not running.offences
    bar = "holds over reconnects, transports, instances, rooms and forged X-Forwarded-For; no token in any log"
    measured |= {"log_offences": len(running.offences)}
    return [Row("limits", f"{_RATE} a second, burst {_BURST}", bar, measured, passed)]


async def _post(running: Fleet, number: int, until_s: float) -> tuple[int, int]:
    """POST as fast as it goes, each time on a new connection, from a new forged address, to the other instance."""
    accepted = refused = 0
    while time.monotonic() < until_s:
        server = running.servers[(number + accepted + refused) % len(running.servers)]
        forged = {"X-Forwarded-For": f"10.0.{number}.{(accepted + refused) % 250}"}
        async with http_client(server.base_url, sign("greedy"), headers=forged) as client:
            body = {"content": f"{number}-{accepted}-{refused}"}
            answer = await client.post(f"/rooms/limits-{number}/messages", json=body)
        accepted += answer.status_code == 202
        refused += answer.status_code == 429
    return accepted, refused


async def _chat(running: Fleet, number: int, until_s: float) -> tuple[int, int]:
    """The same by WebSocket; it is closed with 4429 when it goes on, and comes back."""
    answers: list[Event] = []
    sent = 0  # over all connections: a repeated ref would be a retry, which is answered and takes no token
    while time.monotonic() < until_s:
        client = make_client("websocket", running.access(number, "limits", "greedy", proxied=False))
        peer = await connect(client, answers.append)
        if peer is None:
            continue
        while time.monotonic() < until_s and not peer.ended.is_set():
            if client.welcomed:
                sent += 1
                peer.send(client.publish(f"ws-{number}-{sent}", f"r{sent}"))  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
        peer.abort()
    accepted = sum(each.type == "ack" for each in answers)
    refused = sum(each.type == "error" and each.code == "rate_limited" for each in answers)
    return accepted, refused
