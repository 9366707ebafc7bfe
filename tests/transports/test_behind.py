"""A request that comes behind a poll or a stream whose joining takes longer: both event loops, both sinks."""

from __future__ import annotations

import logging

import pytest

from tests.transports.served import PATH, Run, serving, until
from tests.transports.test_fin import Slow


@pytest.mark.parametrize("fanout", ["direct", "portable"])
@pytest.mark.parametrize("query", ["wait=25", "wait=0.1&since={}"])
def test_it_is_answered_behind_the_poll(run: Run, query: str, fanout: str) -> None:
    async def main() -> None:
        async with serving(fanout=fanout) as server:
            client = await server.client()
            await client.ask(client.poll("wait=25"))
            slow = Slow(server, "hold")
            client.writer.write(client.poll(query, user="carol"))
            await slow.asked.wait()
            client.writer.write(client.post("behind"))
            await until(lambda: bool(server.protocols[0].pipeline))
            slow.may_answer.set()
            polled = await client.answer()
            assert polled.status == 200
            assert all(event["type"] == "user_joined" for event in polled.events)
            assert (await client.answer()).status == 202
            assert await server.messages() == ["behind"]
            await until(lambda: server.held == 0)

    run(main())


@pytest.mark.parametrize("fanout", ["direct", "portable"])
def test_a_stream_goes_on_before_it(run: Run, fanout: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving("sse", fanout=fanout) as server:
            client = await server.client()
            slow = Slow(server, "hold")
            client.writer.write(
                client.poll(user="carol").replace(PATH.encode() + b"?wait=25&since=", b"/rooms/lobby/events")
            )
            await slow.asked.wait()
            client.writer.write(client.post("behind"))
            await until(lambda: bool(server.protocols[0].pipeline))
            slow.may_answer.set()
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await client.reader.readuntil(b'"type":"welcome"')
            await server.say("news")
            await client.reader.readuntil(b'"content":"news"')

    run(main())
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
