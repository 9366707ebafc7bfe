"""The bounds around engineio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engineio.async_socket import AsyncSocket

from transports.engine import MALFORMED, QUEUED_PACKETS, BoundedWebSocket, EngineServer, close, ping_times
from transports.socketio import UndecodedPacket


def _socket() -> Any:
    return AsyncSocket(EngineServer(async_mode="asgi"), "sid")


class _Scope:
    """What the driver needs of ASGI: messages to receive, and a send that can fail."""

    def __init__(self, *texts: str | None) -> None:
        self.messages = [{"type": "websocket.receive", "text": text} for text in texts]
        self.gone = False

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if self.gone:
            raise OSError


def _websocket(socket: Any, scope: _Scope) -> Any:
    websocket = BoundedWebSocket(socket._websocket_handler, socket.server)
    websocket.asgi_receive, websocket.asgi_send = scope.receive, scope.send
    return websocket


@pytest.mark.parametrize("text", ["40{}", '42["chat",{}]', "421[]", "41", "430[]", "1", "2probe", "3", "5"])
async def test_packets_of_a_client_pass(text: str) -> None:
    assert await _websocket(_socket(), _Scope(text)).wait() == text


@pytest.mark.parametrize("text", ["", "4", "44{}", "45-", "4[", "0{}", "2", "2[[[", "6", "3probe", "x", None])
async def test_anything_else_becomes_a_bad_command(text: str | None) -> None:
    assert await _websocket(_socket(), _Scope(text)).wait() == MALFORMED


async def test_who_reads_nothing_is_not_read_from_until_it_does() -> None:
    socket = _socket()
    for number in range(QUEUED_PACKETS):
        socket.queue.put_nowait(number)
    waiting = asyncio.create_task(_websocket(socket, _Scope("3")).wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    await socket.poll()
    assert await waiting == "3"


async def test_who_vanishes_with_a_full_queue_is_given_up() -> None:
    socket, scope = _socket(), _Scope("3")
    websocket = _websocket(socket, scope)
    for number in range(QUEUED_PACKETS):
        socket.queue.put_nowait(number)
    waiting = asyncio.create_task(websocket.wait())
    await asyncio.sleep(0)
    scope.gone = True
    with pytest.raises(OSError, match=r"^$"):
        await websocket.send("x")
    with pytest.raises(OSError, match="the peer is gone"):
        await waiting


async def test_close_lets_the_client_read_what_waits_and_then_ends_the_writer() -> None:
    socket = _socket()
    socket.queue.put_nowait("waits")
    await close(socket)
    waiting = await socket.poll()
    assert waiting[0] == "waits"
    assert waiting[1].encode() == "1"
    assert await socket.poll() == []


@pytest.mark.parametrize(("heartbeat_s", "reported_ms"), [(15.0, 15_000), (0.3, 1000), (2.5, 3000)])
def test_clients_are_never_asked_to_expect_pings_sooner_than_they_come(heartbeat_s: float, reported_ms: int) -> None:
    interval_s, grace_s = ping_times(heartbeat_s)["ping_interval"]
    assert int(interval_s + grace_s) * 1000 == reported_ms
    assert interval_s == heartbeat_s


@pytest.mark.parametrize(
    ("encoded", "kind", "namespace", "number", "data"),
    [
        ('0{"token":"t"}', 0, None, None, '{"token":"t"}'),
        ("0/admin,{}", 0, "/admin", None, "{}"),
        ('2["chat",{}]', 2, None, None, ["command", '["chat",{}]', False]),
        ('217["chat",{}]', 2, None, 17, ["command", '["chat",{}]', True]),
        ("2", 2, None, None, ["command", "", False]),
        ("1", 1, None, None, ""),
    ],
)
def test_payloads_stay_text(encoded: str, kind: int, namespace: str | None, number: int | None, data: object) -> None:
    packet = UndecodedPacket(encoded_packet=encoded)
    assert (packet.packet_type, packet.namespace, packet.id, packet.data) == (kind, namespace, number, data)


async def test_engine_uses_the_bounded_websocket() -> None:
    assert _socket().server._async["websocket"] is BoundedWebSocket
