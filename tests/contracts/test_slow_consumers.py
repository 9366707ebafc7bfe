"""Guarantee 6: one stalled reader delays nobody, is cut with a code that says it may resume, and resumes."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.contracts.kit.clients import StreamClient, WebSocketClient, ending
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.metrics import scrape, until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tls import TLS
from tests.contracts.targets import STREAMS, Connect, Target

SMALL_OUTBOX = {"OUTBOX_BYTES": "65536", "RATE": "0"}
FAT = '"' * 4096
"""Escaped it is 24 KiB: few messages fill the kernel's buffers and then the outbox."""
MESSAGES_MAX = 900
"""Fewer than the history keeps, so that the stalled reader can resume."""
RECEIVE_BUFFER_BYTES = 65_536
"""Small enough to stall soon; much smaller, and catching up would crawl by the window."""
TARGETS = tuple(Target(server, name) for name in ("websocket", *STREAMS) for server in (name, "all"))

pytestmark = pytest.mark.parametrize("target", TARGETS, ids=str)


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    return servers.shared(target.server, SMALL_OUTBOX)


async def stalled_reader(server: ServerProcess, connect: Connect) -> WebSocketClient | StreamClient:
    """Joined, with a small receive buffer; it reads nothing until it is asked for the next event."""
    client = await connect("stalled", join=False)
    if isinstance(client, WebSocketClient):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        await client.connect(sock=connection, max_queue=1)
        return client
    assert isinstance(client, StreamClient)
    await client.http.aclose()
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)]
    transport = httpx.AsyncHTTPTransport(verify=TLS, socket_options=options)
    client.http = http_client(server.base_url, client.token, transport=transport)
    await client.connect()
    return client


async def test_stalled_reader_is_cut_others_are_not_and_it_resumes(server: ServerProcess, connect: Connect) -> None:
    before = (await scrape(server)).total("rtlab_slow_consumers_total")
    bystander = await connect("bystander")
    stalled = await stalled_reader(server, connect)
    published = []
    for count in range(MESSAGES_MAX):
        published.append(await bystander.publish(FAT))
        # The bystander reads as they come; the client fails on any hole.
        assert (await bystander.next_chat()).id == published[-1]
        if count % 20 == 0 and (await scrape(server)).total("rtlab_slow_consumers_total") > before:
            break
    await until_total(server, "rtlab_slow_consumers_total", lambda total: total == before + 1)
    end = await ending(stalled)
    assert set(end.codes) <= {"slow_consumer"}
    if isinstance(stalled, WebSocketClient):
        assert end.close_code == 4409
    assert stalled.position is not None
    assert stalled.position != published[-1], "it was never behind"
    again = await connect("stalled", join=False)
    assert (await again.connect(stalled.position)).recovered
    while again.position != published[-1]:
        await again.next_event()


async def test_outbox_is_bounded_while_a_reader_stalls(server: ServerProcess, connect: Connect) -> None:
    bystander = await connect("bystander")
    stalled = await stalled_reader(server, connect)
    before, highest = (await scrape(server)).total("rtlab_slow_consumers_total"), 0.0
    for _ in range(MESSAGES_MAX):
        position = await bystander.publish(FAT)
        assert (await bystander.next_chat()).id == position
        metrics = await scrape(server)  # each time: an outbox holds two of these
        highest = max(highest, metrics.total("rtlab_outbox_bytes"))
        if metrics.total("rtlab_slow_consumers_total") > before:
            break
    assert highest > 0, "nothing ever waited"
    # Two subscribers' bounds, though only one of them ever waits.
    if isinstance(stalled, WebSocketClient):
        await stalled.abort()  # a close handshake would wait for all that it left unread
    assert highest <= 2 * int(SMALL_OUTBOX["OUTBOX_BYTES"])
