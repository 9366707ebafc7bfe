"""What we ask of uvicorn, and that its running server is found and drained."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from unittest.mock import patch

import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.settings import Settings
from transports.base import EDGES
from transports.hosting import ACCEPTS_PER_TURN, PunctualServer, adopt, hosting_server, several, tcp_nodelay
from transports.uvicorn_edges.bounds import limit_unacknowledged
from transports.uvicorn_edges.protocols import LabHttpProtocol


@pytest.fixture
def server() -> uvicorn.Server:
    config = uvicorn.Config(Starlette(), log_config=None)
    config.load()
    return uvicorn.Server(config)


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    thresholds = gc.get_threshold()
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_no_uvicorn_no_hosting_server() -> None:
    assert hosting_server() is None


def test_server_is_found_as_the_owner_of_the_sigterm_handler(server: uvicorn.Server) -> None:
    with server.capture_signals():
        assert hosting_server() is server
    signal.signal(signal.SIGTERM, lambda number, stack: None)
    assert hosting_server() is None


async def test_adopted_server_takes_our_settings_and_protocols(server: uvicorn.Server) -> None:
    adopt(server, Settings(heartbeat_s=7.0, max_bytes=999, drain_s=10.0, deflate=True), EDGES, lambda: None)
    config = server.config
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (7.0, 7.0)
    assert config.ws_max_size == 999
    assert config.ws_per_message_deflate is True
    assert config.http_protocol_class is EDGES[0]
    assert config.ws_protocol_class is EDGES[1]
    assert not isinstance(config.loaded_app, ProxyHeadersMiddleware)  # which trusts this machine by default
    assert config.timeout_keep_alive > 55  # longer than any poll is held
    assert config.timeout_graceful_shutdown is not None
    assert 0 < config.timeout_graceful_shutdown < 10.0  # so that exit comes within the drain time


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains_first_and_then_lets_the_server_exit(
    server: uvicorn.Server, number: signal.Signals
) -> None:
    drained = asyncio.Event()
    adopt(server, Settings(), EDGES, drained.set)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5.0):
        await drained.wait()
    assert server.should_exit
    assert not server.force_exit
    os.kill(os.getpid(), number)
    await asyncio.sleep(0)
    assert server.force_exit is (number == signal.SIGINT)  # Ctrl-C twice means now


async def test_what_a_server_is_made_of_is_out_of_the_collectors_sight(server: uvicorn.Server) -> None:
    adopt(server, Settings(), EDGES, lambda: None)
    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()


@pytest.mark.parametrize("starts", [True, False])
def test_a_server_says_that_it_listens_when_it_does_and_only_then(starts: bool) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if not starts:
            raise RuntimeError("no start today")
        yield

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))

        def listening() -> None:
            with socket.create_connection(listener.getsockname(), timeout=1.0):
                reported.append(True)
            server.should_exit = True

        reported: list[bool] = []
        config = uvicorn.Config(Starlette(lifespan=lifespan), log_config=None)
        server = PunctualServer(config, 5.0, listening)
        with suppress(SystemExit):  # as uvicorn has a failed start
            server.run(sockets=[listener])
    assert reported == ([True] if starts else [])


async def test_an_idle_server_wakes_up_seldom_and_exits_at_once() -> None:
    server = PunctualServer(uvicorn.Config(Starlette(), log_config=None), 5.0, lambda: None)
    looks: list[int] = []

    async def look(counter: int) -> bool:
        looks.append(counter)
        return server.should_exit

    with patch.object(server, "on_tick", look):
        serving = asyncio.create_task(server.main_loop())
        await asyncio.sleep(0.3)
        server.should_exit = True
        async with asyncio.timeout(0.5):  # less than a second, after which it would look by itself
            await serving
    assert looks == [0, 0]


async def test_who_is_told_that_a_server_ends_is_told_before_it_closes() -> None:
    config = uvicorn.Config(Starlette(), log_config=None)
    config.load()
    server = PunctualServer(config, 5.0, lambda: None)
    told: list[asyncio.Task[None]] = []

    async def tell() -> None:
        await asyncio.sleep(0.02)  # a lease is given back before Socket.IO says goodbye

    adopt(server, Settings(), EDGES, lambda: told.append(asyncio.ensure_future(tell())))
    serving = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert [each.done() for each in told] == [True]


def test_what_is_set_on_a_listening_socket_holds_for_who_comes_and_is_not_set_again() -> None:
    limits = {"TCP_USER_TIMEOUT": 7000, "TCP_KEEPIDLE": 7, "TCP_KEEPINTVL": 1, "TCP_NOTSENT_LOWAT": 131_072}
    with socket.socket() as listener:
        limit_unacknowledged(listener, 7.0)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as peer, listener.accept()[0] as accepted:
            for connection in (accepted, peer):
                limit_unacknowledged(connection, 7.0)
                found = {name: connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in limits}
                assert found == limits
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 99)
            limit_unacknowledged(accepted, 7.0)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 99


def test_a_crowd_is_accepted_in_a_turn() -> None:
    accepted = 0

    class Counted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal accepted
            accepted += 1

    async def accept_a_crowd() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            servers = [await loop.create_server(Counted, sock=each) for each in several(listener)]
            connections = [socket.create_connection(listener.getsockname()) for _ in range(ACCEPTS_PER_TURN)]
            for _ in range(4):
                await asyncio.sleep(0)
            for server in servers:
                server.close()
            for each in connections:
                each.close()

    uvloop.run(accept_a_crowd())
    assert accepted == ACCEPTS_PER_TURN


async def test_tls_on_asyncios_own_loop_is_warned_of(
    server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adopt(server, Settings(), EDGES, lambda: None)
    assert caplog.messages == []
    monkeypatch.setattr(uvicorn.Config, "is_ssl", True)
    adopt(server, Settings(), EDGES, lambda: None)
    assert [message.split(";")[0] for message in caplog.messages] == [
        "asyncio's own event loop keeps 256 KiB for each TLS connection"
    ]


def test_nodelay_of_nobody_is_unknown(server: uvicorn.Server) -> None:
    assert tcp_nodelay(None, ("127.0.0.1", 1)) is None
    assert tcp_nodelay(server, None) is None
    assert tcp_nodelay(server, ("127.0.0.1", 1)) is None


async def test_nodelay_is_read_from_the_accepted_socket(server: uvicorn.Server) -> None:
    loop, accepted = asyncio.get_running_loop(), asyncio.Queue[LabHttpProtocol]()

    class Accepting(LabHttpProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            accepted.put_nowait(self)

    listening = await loop.create_server(
        lambda: Accepting(server.config, server.server_state, {}, loop), "127.0.0.1", 0
    )
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
    client = writer.get_extra_info("sockname")
    async with asyncio.timeout(5.0):
        protocol = await accepted.get()
    assert tcp_nodelay(server, client) is True
    protocol.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    assert tcp_nodelay(server, client) is False
    protocol.transport.abort()
    writer.close()
    listening.close()
    await writer.wait_closed()
    await listening.wait_closed()


_ALLOCATED = """
import ctypes, sys
from transports.hosting import keep_large_buffers_apart

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd us fs uord ford keep".split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.mallinfo2.restype = ctypes.c_void_p, Info
libc.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "apart":
    keep_large_buffers_apart()
for _ in range(30):
    libc.malloc(50_000)  # what the heap has free would be used first
libc.free(libc.malloc(300_000))
before = libc.mallinfo2().hblks
libc.malloc(262_144)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries allocate otherwise")
@pytest.mark.parametrize(("how", "mapped"), [("as usual", 0), ("apart", 1)])
def test_a_large_buffer_has_a_mapping_of_its_own_after_one_was_freed(how: str, mapped: int) -> None:
    done = subprocess.run([sys.executable, "-c", _ALLOCATED, how], capture_output=True, text=True, check=True)
    assert int(done.stdout) == mapped
