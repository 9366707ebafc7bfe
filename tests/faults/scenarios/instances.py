"""Instances that are killed, and one that is asked to end."""

from __future__ import annotations

import asyncio
import time

from tests.contracts.kit.clients import WebSocketClient
from tests.contracts.kit.tokens import sign
from tests.faults.fleet import Fleet, fleet
from tests.faults.peer import TRANSPORTS, Peer, connect, make_client
from tests.faults.scenarios.audience import audience
from tests.faults.table import Row, Run
from tests.faults.waiting import until

_DOWN_S = 1.0
LEASE_S = 3.0
_SLACK_S = 5.0


async def server_kill(run: Run) -> list[Row]:
    """SIGKILL in the middle of the traffic; who was there without coming back is a ghost until its lease ends."""
    kills, messages, per_s = run.of(3, 1), run.of(3000, 150), 100
    async with fleet(run.folder) as running, audience(running, "kills", run.seed) as people:
        await people.seat(run.of(12, 6))
        ghosts, observed = await _haunt(running, "haunted")
        publishing = [
            asyncio.create_task(people.publisher(f"p{number}", number).run(messages // 2, per_s / 2))
            for number in range(2)
        ]
        left_after_s = 0.0
        for number in range(kills):
            await asyncio.sleep(messages / per_s / (kills + 1))
            victim = number % 2
            running.kill(victim)
            killed_s = time.monotonic()
            await asyncio.sleep(_DOWN_S)
            await running.start(victim)
            if number == 0:
                left_after_s = await _wait_for_leaves(observed, ghosts, killed_s)
        await asyncio.gather(*publishing)
        caught_up = await people.settle()
        await observed.close()
    verdict = people.judge()
    measured = people.measured(verdict, caught_up=caught_up)
    measured |= {"kills": kills, "ghosts": len(ghosts), "ghosts_left_after_s": round(left_after_s, 2)}
    ghosts_well = 0 < left_after_s <= LEASE_S + _SLACK_S
    passed = verdict.clean and not verdict.announced_gaps and caught_up and ghosts_well and not running.offences
    bar = f"{kills} kills, {messages} acknowledged: 0 lost, 0 unannounced gaps; ghosts leave within lease + 5 s, once"
    return [Row("server-kill", "all transports, roaming", bar, measured, passed)]


async def _haunt(running: Fleet, room: str) -> tuple[list[str], WebSocketClient]:
    """Users on the instance that will be killed first, who will not come back; and who watches from the other.

    They have a quiet room to themselves.
    """
    ghosts = [f"ghost-{transport}" for transport in TRANSPORTS]
    watch = WebSocketClient(running.servers[1].base_url, room, "watch", sign("watch"))
    await watch.connect()
    for user, transport in zip(ghosts, TRANSPORTS, strict=True):
        await connect(make_client(transport, running.access(0, room, user, proxied=False)), lambda event: None)
    for _ in ghosts:
        await watch.presence_of(*ghosts)
    return ghosts, watch


async def _wait_for_leaves(watch: WebSocketClient, ghosts: list[str], since_s: float) -> float:
    """Seconds until the last ghost left; -1 when one left twice or joined again, or not in time."""
    gone: set[str] = set()
    try:
        while gone != set(ghosts):
            event = await watch.presence_of(*ghosts, timeout_s=LEASE_S + _SLACK_S + 2)
            if event.type != "user_left" or event.text("userId") in gone:
                return -1.0
            gone.add(event.text("userId"))
    except TimeoutError:
        return -1.0
    return time.monotonic() - since_s


async def shutdown(run: Run) -> list[Row]:
    """SIGTERM with clients that stopped reading and never answer a close."""
    clients, stuck = run.of(200, 60), run.of(20, 6)
    async with fleet(run.folder, instances=1, settings={"HEARTBEAT_SECONDS": "15"}) as running:
        peers: list[Peer] = []
        for number in range(clients):
            transport = TRANSPORTS[number % len(TRANSPORTS)]
            access = running.access(0, "drain", f"user-{number}", proxied=False)
            peer = await connect(make_client(transport, access), lambda event: None)
            assert peer is not None
            peers.append(peer)
        assert await until(lambda: all(peer.client.welcomed for peer in peers), 20.0)
        for peer in peers[:stuck]:
            peer.stop_reading()
        server = running.servers[0]
        server.terminate()
        began_s = time.monotonic()
        code = await asyncio.to_thread(server.wait, 15.0)
        took_s = time.monotonic() - began_s
        for peer in peers:
            peer.abort()
    closes = [peer.client.closed.code for peer in peers[stuck:] if peer.client.closed is not None]
    measured = {"clients": clients, "stuck": stuck, "exit_code": code, "seconds": round(took_s, 2)}
    closed = {"websocket_1012": closes.count(1012), "log_offences": len(running.offences)}
    passed = code == 0 and took_s <= 5.0 and not running.offences
    bar = f"{clients} mixed clients, {stuck} stuck: gone in 5 s, exit 0"
    return [Row("shutdown", "all transports", bar, {**measured, **closed}, passed)]
