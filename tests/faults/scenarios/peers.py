"""Peers that never read, and peers that vanish without closing their connection."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.contracts.kit.clients import WebSocketClient
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.tls import TLS
from tests.contracts.kit.tokens import SECRET, sign
from tests.faults.fleet import Fleet, fleet
from tests.faults.peer import TRANSPORTS, make_client
from tests.faults.publisher import Books, Publisher
from tests.faults.scenarios.members import disperse, gather_members, p99_ms
from tests.faults.table import Measured, Row, Run
from tests.faults.waiting import until

_CONTENT_BYTES = 4000
_OUTBOX_BYTES = 1_048_576
_REAPED_S = 10.0


async def slow_peers(run: Run) -> list[Row]:
    """Half of a room never reads: the others must not feel it."""
    return [await _slow_peers(run, transport) for transport in (TRANSPORTS if run.full else ("websocket",))]


async def _slow_peers(run: Run, transport: str) -> Row:
    readers, stuck, messages, per_s = run.of(50, 10), run.of(50, 4), run.of(1000, 150), 100
    polls = transport == "longpoll"
    settings = {"HISTORY_EVENTS": "500", "OUTBOX_BYTES": str(run.of(_OUTBOX_BYTES, _OUTBOX_BYTES // 8))}
    # A stream that does not read must be cut for that, not for a heartbeat. A poll is answered once: a poller that does
    # not read is owed one answer at most, there is nothing to cut, and what takes it out of the room is its lease.
    heartbeat_s, lease_s = (4, 6) if polls else (15, 30)
    settings |= {"PRESENCE_TTL_SECONDS": str(lease_s), "HEARTBEAT_SECONDS": str(heartbeat_s)}
    async with fleet(run.sub(transport), instances=1, settings=settings) as running:
        subscribers = await gather_members(running, "slow", transport, readers)
        await _talk(running, run.of(400, 100), per_s)
        alone_ms = p99_ms(subscribers)
        for member in subscribers:
            member.latencies_s.clear()
        sockets = [await asyncio.to_thread(_never_read, running, transport, number) for number in range(stuck)]
        connected = _server_sockets(running)
        talking = asyncio.create_task(_talk(running, messages, per_s))
        leaving = asyncio.create_task(_leaving_s(running)) if polls else None
        queued_bytes, cut_s = await _watch(running, talking, stuck)
        together_ms = p99_ms(subscribers)
        if leaving is not None:
            reaped_after_s = await leaving
        elif cut_s and await until(lambda: _server_sockets(running) <= connected - stuck, _REAPED_S + 2):
            reaped_after_s = time.monotonic() - cut_s
        else:
            reaped_after_s = -1.0
        for member in subscribers:
            member.latencies_s.clear()
        await _talk(running, run.of(400, 50), per_s)
        alone_ms = max(alone_ms, p99_ms(subscribers))  # before or after: a noisy machine must not look like an effect
        for each in sockets:
            each.close()
        disperse(subscribers)
    measured: Measured = {"readers": readers, "never_reading": stuck, "p99_alone_ms": round(alone_ms, 2)}
    measured |= {"p99_together_ms": round(together_ms, 2), "most_queued_bytes_each": round(queued_bytes / stuck)}
    measured |= {"faults": sum(member.faults for member in subscribers), "log_offences": len(running.offences)}
    measured |= {"reaped_after_s": round(reaped_after_s, 2)}
    passed = (not run.full or together_ms <= 2 * max(alone_ms, 1.0)) and queued_bytes <= stuck * _OUTBOX_BYTES
    passed = passed and not measured["faults"] and 0 < reaped_after_s <= _REAPED_S
    bar = f"{stuck} of {readers + stuck} never read: the others' p99 at most 2x, 1 MiB queued each, reaped within 10 s"
    return Row("slow-peers", transport, bar, measured, passed and not running.offences)


async def _talk(running: Fleet, messages: int, per_s: float) -> None:
    books = Books()
    publisher = Publisher("talk", lambda n: running.access(n, "slow", "talker", proxied=False), books)
    began_s = time.monotonic()
    for number in range(messages):
        await asyncio.sleep(max(0.0, began_s + number / per_s - time.monotonic()))
        content = f"{time.monotonic()} {number} "
        await publisher.publish(content + "x" * (_CONTENT_BYTES - len(content)))
    publisher.close()


async def _watch(running: Fleet, talking: asyncio.Task[None], stuck: int) -> tuple[int, float]:
    """While it is talked: the most that all outboxes held, and when the last of the stuck ones was cut (0: never)."""
    queued_bytes, cut_s = 0, 0.0
    async with http_client(running.servers[0].base_url) as client:
        while not talking.done():
            text = (await client.get("/metrics")).text
            queued_bytes = max(queued_bytes, round(_metric(text, "rtlab_outbox_bytes")))
            if not cut_s and _metric(text, "rtlab_slow_consumers_total") >= stuck:
                cut_s = time.monotonic()
            await asyncio.sleep(0.1)
    await talking
    return queued_bytes, cut_s


def _metric(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def _never_read(running: Fleet, transport: str, number: int) -> socket.socket:
    """Join, and read no more than the first bytes: a small window, so that the kernel does not hide it for long."""
    access = running.access(0, "slow", f"stuck-{number}", proxied=False)
    client = make_client(transport, access)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(10.0)
    raw.connect((access.endpoint.host, access.endpoint.port))
    if access.endpoint.secure:
        raw = TLS.wrap_socket(raw)
    raw.sendall(client.opening())
    while not client.welcomed:
        client.feed(raw.recv(256))
        raw.sendall(client.take_outgoing())
    return raw


async def _leaving_s(running: Fleet) -> float:
    """After what time none of those that never read is a member of the room any more; -1 for not in time."""
    since_s = time.monotonic()
    authorization = {"Authorization": f"Bearer {sign('watch')}"}
    async with http_client(running.servers[0].base_url) as client:
        while (after_s := time.monotonic() - since_s) < _REAPED_S + 2:
            members = (await client.get("/rooms/slow", headers=authorization)).json()["members"]
            if not any(member["userId"].startswith("stuck-") for member in members):
                return after_s
            await asyncio.sleep(0.25)
    return -1.0


def _server_sockets(running: Fleet) -> int:
    """Connections that the server process still holds."""
    process = psutil.Process(running.servers[0].process.pid)
    port = running.servers[0].port
    return sum(each.laddr.port == port and each.status != psutil.CONN_LISTEN for each in process.net_connections("tcp"))


async def half_open(run: Run) -> list[Row]:
    """Clients in a network of their own, whose cable is pulled. Needs root and `ip`; else its row says so."""
    bar = "packets dropped: the leave comes once, within 2 heartbeats plus the lease"
    try:
        with _network() as network:
            return [await _half_open(run, network, bar)]
    except _NoNetworkError as error:
        return [Row("half-open", "not run", bar, {"reason": str(error)}, not run.full)]


class _NoNetworkError(Exception):
    """This machine lets us make no network."""


_HEARTBEAT_S, _LEASE_S = 4.0, 6.0  # leases are looked at once a second: shorter ones would measure that
_SERVER_IP, _CLIENT_IP = "10.213.7.1", "10.213.7.2"


@contextmanager
def _network() -> Iterator[str]:
    """A network namespace, joined to ours by a cable with an end on each side."""
    name = "rtlab-faults"
    if shutil.which("ip") is None:
        raise _NoNetworkError("there is no ip command")
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        raise _NoNetworkError(f"no network namespace: {error.stderr.strip()}") from error
    try:
        _ip("link", "add", "rtlab-here", "type", "veth", "peer", "name", "rtlab-there", "netns", name)
        _ip("addr", "add", f"{_SERVER_IP}/30", "dev", "rtlab-here")
        _ip("link", "set", "rtlab-here", "up")
        _ip("-n", name, "addr", "add", f"{_CLIENT_IP}/30", "dev", "rtlab-there")
        _ip("-n", name, "link", "set", "rtlab-there", "up")
        yield name
    except subprocess.CalledProcessError as error:
        raise _NoNetworkError(f"no virtual cable: {error.stderr.strip()}") from error
    finally:
        # The cable first: it would outlive the namespace by a moment, and be in the way of the next.
        for rest in (("link", "del", "rtlab-here"), ("netns", "del", name)):
            subprocess.run(["ip", *rest], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


async def _half_open(run: Run, network: str, bar: str) -> Row:
    settings = {"HEARTBEAT_SECONDS": f"{_HEARTBEAT_S:g}", "PRESENCE_TTL_SECONDS": f"{_LEASE_S:g}"}
    async with fleet(run.folder, instances=1, settings=settings, host="0.0.0.0") as running:
        server = running.servers[0]
        watch = WebSocketClient(server.base_url, "vanish", "watch", sign("watch"))
        await watch.connect()
        users = {transport: f"vanishing-{transport}" for transport in TRANSPORTS}
        command = ["ip", "netns", "exec", network, sys.executable, "-m", "tests.faults.vanish"]
        command += [server.scheme, _SERVER_IP, str(server.port), SECRET, *users.values()]
        child = await asyncio.create_subprocess_exec(*command)
        try:
            for _ in users:
                await watch.presence_of(*users.values())
            await asyncio.to_thread(_ip, "-n", network, "link", "set", "rtlab-there", "down")
            left = await _leaves(watch, set(users.values()), time.monotonic())
        finally:
            child.kill()
            await child.wait()
            await watch.close()
    bound_s = 2 * _HEARTBEAT_S + _LEASE_S
    measured: Measured = {f"{user}_left_after_s": round(after_s, 2) for user, after_s in left.items()}
    passed = len(left) == len(users) and all(0 < after_s <= bound_s for after_s in left.values())
    return Row("half-open", "all transports", bar, {**measured, "bound_s": bound_s}, passed and not running.offences)


async def _leaves(watch: WebSocketClient, users: set[str], since_s: float) -> dict[str, float]:
    """When each user left; -1 for one that left twice or joined again, none for one that never did."""
    left: dict[str, float] = {}
    try:
        async with asyncio.timeout(20.0):
            while True:
                remaining_s = 20.0 if len(left) < len(users) else _LEASE_S + 1
                event = await watch.presence_of(*users, timeout_s=remaining_s)
                user = event.text("userId")
                left[user] = -1.0 if user in left or event.type != "user_left" else time.monotonic() - since_s
    except TimeoutError:
        return left
