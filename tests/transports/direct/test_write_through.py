"""Writing to a socket beside its transport: what that relies on of the event loops, and where it is not done."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.transports.wire_end import WireEnd

ENDINGS = ["close", "close with a full buffer", "abort", "reset by the peer", "end by the peer"]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class Ending(asyncio.Protocol):
    """Notes whether its socket is still there when it is notified that the connection is lost."""

    transport: asyncio.Transport
    descriptor: int

    def __init__(self, made: asyncio.Queue[Ending]) -> None:
        self._made = made
        self.open_when_lost: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self.descriptor = transport.get_extra_info("socket").fileno()
        self._made.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_when_lost.set_result(_is_open(self.descriptor))


async def _end(how: str) -> tuple[bool, bool]:
    """Whether the socket is open when the protocol is notified, and some turns later."""
    loop = asyncio.get_running_loop()
    made: asyncio.Queue[Ending] = asyncio.Queue()
    server = await loop.create_server(lambda: Ending(made), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as peer:
        ending = await asyncio.wait_for(made.get(), 5.0)
        if how == "close with a full buffer":
            ending.transport.write(bytes(50_000_000))
            loop.call_later(0.05, ending.transport.abort)
        if how.startswith("close"):
            ending.transport.close()
        elif how == "abort":
            ending.transport.abort()
        elif how == "reset by the peer":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        else:
            peer.close()
        when_lost = await asyncio.wait_for(ending.open_when_lost, 5.0)
        for _ in range(10):
            await asyncio.sleep(0)
        server.close()
        return when_lost, _is_open(ending.descriptor)


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_loop_closes_a_socket_only_after_its_protocol_was_notified(
    run: Callable[..., tuple[bool, bool]], how: str
) -> None:
    # What is sent by a number that was given to the next connection would be somebody else's.
    assert run(_end(how)) == (True, False)


async def test_holder_is_notified_of_the_loss_whatever_goes_wrong_before(monkeypatch: pytest.MonkeyPatch) -> None:
    end = WireEnd(_silent)
    delivered = []

    class Holder:
        def pause(self) -> None:
            raise AssertionError

        def resume(self) -> None:
            raise AssertionError

        def lost(self) -> None:
            delivered.append(_is_open(descriptor))

    def fail(protocol: HttpToolsProtocol, exc: Exception | None) -> None:
        raise RuntimeError("in uvicorn")

    descriptor = end.protocol.write_through()
    assert descriptor is not None
    try:
        end.protocol.holder = Holder()
        with monkeypatch.context() as patch:
            patch.setattr(HttpToolsProtocol, "connection_lost", fail)
            with pytest.raises(RuntimeError, match="in uvicorn"):
                end.protocol.connection_lost(None)
        assert delivered == [True]
    finally:
        await end.end()


@pytest.mark.parametrize("case", ["TLS", "no socket", "closing", "no POSIX"])
async def test_a_connection_whose_socket_cannot_be_had_is_written_to(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = WireEnd(_silent)
    cases: dict[str, dict[str, Any]] = {"TLS": {"sslcontext": object()}, "no socket": {"socket": None}}
    extra = cases.get(case, {})
    if case == "closing":
        end.transport.close()
    with monkeypatch.context() as patch:
        had = end.transport.get_extra_info
        if case == "no POSIX":
            patch.setattr(os, "name", "nt")
        patch.setattr(end.transport, "get_extra_info", lambda name: extra[name] if name in extra else had(name))
        assert end.protocol.write_through() is None
    await end.end()


async def _silent(scope: object, receive: object, send: object) -> None:
    """An app that is asked nothing."""
