"""POSTs by the short way when something ends: the server, the store, the connection, or our own code by a fault."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

import pytest

from core.errors import Unavailable
from tests.transports.served import WAITS_S, Run, Server, publisher, serving, until

RESET: Final = struct.pack("ii", 1, 0)  # what SO_LINGER takes


def test_a_server_that_drains_refuses_and_says_that_it_closes(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            server.hub.drain()
            refused = await alice.ask(alice.post("late"))
            assert (refused.status, refused.body["code"]) == (503, "shutting_down")

    run(main())


def slowly(server: Server, until_then: asyncio.Event, error: Exception | None = None) -> None:
    """Let the store take its time, and fail perhaps."""
    publish = server.hub.backplane.publish

    async def slow(*arguments: Any) -> Any:
        await until_then.wait()
        if error is not None:
            raise error
        return await publish(*arguments)

    server.hub.backplane.publish = slow


def test_a_shutdown_waits_for_the_answer_that_is_due(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice, stored = await publisher(server), asyncio.Event()
            slowly(server, stored)
            alice.writer.write(alice.post("under way"))
            await until(lambda: bool(server.state.tasks))
            for protocol in list(server.state.connections):
                protocol.shutdown()
            stored.set()
            answer = await alice.answer()
            assert answer.status == 202
            assert "\r\nconnection: close\r\n" in answer.head
            async with asyncio.timeout(WAITS_S):
                assert await alice.reader.read() == b""
            assert await server.messages() == ["first", "under way"]

    run(main())


def test_what_comes_while_a_message_is_stored_waits_for_its_turn(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice, stored = await publisher(server), asyncio.Event()
            slowly(server, stored)
            for content in "123":
                alice.writer.write(alice.post(content))
                await asyncio.sleep(0.02)
            stored.set()
            assert [(await alice.answer()).status for _ in range(3)] == [202] * 3
            assert await server.messages() == ["first", "1", "2", "3"]

    run(main())


def test_a_publisher_that_goes_has_published_what_it_said(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice, stored = await publisher(server), asyncio.Event()
            slowly(server, stored)
            alice.writer.write(alice.post("my last"))
            await until(lambda: bool(server.state.tasks))
            alice.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            alice.writer.transport.abort()
            await until(lambda: not server.state.connections)
            stored.set()
            await until(lambda: not server.state.tasks)
            assert await server.messages() == ["first", "my last"]

    run(main())


def test_a_store_that_is_away_is_reported(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice, stored = await publisher(server), asyncio.Event()
            stored.set()
            slowly(server, stored, Unavailable("away"))
            answer = await alice.ask(alice.post("x"))
            assert (answer.status, answer.body["code"]) == (503, "unavailable")

    run(main())


def test_our_own_fault_ends_the_connection_and_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as server:
            alice, stored = await publisher(server), asyncio.Event()
            stored.set()
            slowly(server, stored, ZeroDivisionError())
            alice.writer.write(alice.post("x") + alice.post("behind it"))
            async with asyncio.timeout(WAITS_S):
                assert await alice.reader.read() == b""
            assert caplog.text.count("Exception while publishing") == caplog.text.count("ZeroDivisionError") == 1

    run(main())


@pytest.mark.parametrize("field", ["Connection: close", "Origin: http://page.example"])
def test_some_connections_are_left_to_the_app(run: Run, field: str) -> None:
    async def main() -> None:
        async with serving(origins=frozenset({"http://page.example"})) as server:
            alice = await server.client()
            answer = await alice.ask(alice.post("x", field))
            assert answer.status == 202
            await asyncio.sleep(0.02)
            assert True not in server.armed
            assert ("access-control-allow-origin" in answer.head) == field.startswith("Origin")

    run(main())


def test_an_idle_connection_is_closed_as_any(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            (protocol,) = server.protocols
            protocol.timeout_keep_alive = 0.05
            assert (await alice.ask(alice.post("x"))).status == 202
            async with asyncio.timeout(WAITS_S):
                assert await alice.reader.read() == b""

    run(main())
