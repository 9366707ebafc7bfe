"""Clients that ask again and do not read their answers: these pile up nowhere, and none overtakes another."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.transports.served import Run, poller, publisher, serving, until
from transports.direct.protocols import DirectHttpProtocol


def test_a_publisher_that_reads_no_answers_is_waited_for(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            (protocol,) = server.protocols
            protocol.pause_writing()  # as its transport does, whose buffer is full
            alice.writer.write(b"".join(alice.post(content) for content in "123"))
            await until(lambda: len(protocol.pipeline) == 2)
            await asyncio.sleep(0.02)
            assert await server.messages() == ["first", "1"]
            protocol.resume_writing()
            assert [(await alice.answer()).status for _ in range(3)] == [202] * 3
            assert await server.messages() == ["first", "1", "2", "3"]

    run(main())


def test_a_poller_that_reads_no_answers_is_waited_for(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await poller(server)
            (protocol,) = server.protocols
            await server.say("x")
            protocol.pause_writing()
            alice.writer.write(alice.poll())
            await until(lambda: bool(server.state.tasks))
            await asyncio.sleep(0.02)
            assert (len(server.state.tasks), server.armed) == (1, [False])
            protocol.resume_writing()
            assert (await alice.answer()).said == ["x"]

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="epoll is there on Linux only")
def test_one_of_many_who_are_read_together_and_reads_no_answers_is_waited_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.direct.polls.MANY", 0)  # one is many

    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            assert server.read_together() == 1
            await server.say("x")
            await alice.answer()
            (protocol,) = server.protocols
            protocol.pause_writing()
            alice.writer.write(alice.poll())  # from where all were answered
            await until(lambda: server.held == 1)
            assert server.armed == [False]
            await server.say("y")
            protocol.resume_writing()
            assert (await alice.answer()).said == ["y"]

    run(main())


def test_a_poll_does_not_overtake_what_is_left_of_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    through = DirectHttpProtocol.write_through

    def with_a_rest(protocol: DirectHttpProtocol) -> int | None:
        descriptor = through(protocol)
        protocol.pause_writing()  # as the transport does while its buffer holds a byte
        return descriptor

    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            alice.position = str((await server.hub.members("lobby"))[0])
            await alice.wait(alice.poll())
            (protocol,) = server.protocols
            assert (server.armed, protocol.holder.subscription.descriptor) == ([True], None)
            await server.say("x")
            assert (await alice.answer()).said == ["x"]

    monkeypatch.setattr(DirectHttpProtocol, "write_through", with_a_rest)
    run(main())
