"""When a WebSocket's reading stops: where the app leaves messages, and not at each that it takes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.transports.uvicorn_edges.test_texts import frame
from tests.transports.wire_end import WireEnd, turns
from transports.base import EDGES


class Slow:
    """An app that receives its messages when it is told to."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self._may_hear = asyncio.Semaphore(1)  # the first is the handshake

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while True:
            await self._may_hear.acquire()
            message = await receive()
            if message["type"] == "websocket.receive":
                self.heard.append(message.get("text") or message["bytes"])

    async def hear(self, messages: int) -> None:
        for _ in range(messages):
            self._may_hear.release()
        await turns()


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Slow, WireEnd]]:
    app = Slow()
    end = WireEnd(app, protocols=EDGES)
    await end.upgraded()
    end.transport.done.clear()
    yield app, end
    await end.end()


async def test_a_message_that_is_awaited_does_not_stop_it(slow: tuple[Slow, WireEnd]) -> None:
    app, end = slow
    for number in range(3):
        await app.hear(1)
        end.send(frame(1, b"%d" % number))
        await turns()
    assert (app.heard, end.transport.done) == (["0", "1", "2"], [])


async def test_it_stops_while_more_than_one_waits(slow: tuple[Slow, WireEnd]) -> None:
    app, end = slow
    end.send(frame(1, b"first"))
    assert end.transport.done == []
    end.send(frame(2, b"second"))
    end.send(frame(1, b"on its way"))
    assert end.transport.done == ["pause"]
    await app.hear(2)
    assert end.transport.done == ["pause"]
    await app.hear(1)
    assert (app.heard, end.transport.done) == (["first", b"second", "on its way"], ["pause", "resume"])
