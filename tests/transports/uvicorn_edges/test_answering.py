"""What an app says to a WebSocket's message in one turn is one write, and nothing overtakes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected

from tests.transports.uvicorn_edges.test_texts import frame
from tests.transports.wire_end import WireEnd, turns
from transports.base import EDGES
from transports.uvicorn_edges.websocket import text_frame

Say = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def answered(answer: Callable[[Say, Any], Awaitable[None]]) -> AsyncIterator[tuple[WireEnd, Say]]:
    """A WebSocket whose messages `answer` answers, and what says something to it unasked."""
    sayers: list[Say] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def say(text: str) -> None:
            await send({"type": "websocket.send", "text": text})

        sayers.append(say)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                await answer(say, send)

    end = WireEnd(app, protocols=EDGES)
    await end.upgraded()
    yield end, sayers[0]
    await end.end()


async def said(end: WireEnd) -> None:
    """Let the app answer, but not the turn end in which it does."""
    for _ in range(9):
        if end.protocol._unsent is not None:
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was said")


async def twice(say: Say, send: Any) -> None:
    await say("event")
    await say("ack")


async def twice_and_more_to_come(say: Say, send: Any) -> None:
    await twice(say, send)
    await asyncio.sleep(60)


BOTH = text_frame(b"event") + text_frame(b"ack")


async def test_an_event_and_its_ack_are_one_write() -> None:
    async with answered(twice) as (end, say):
        end.send(frame(1, b"said"))
        await turns()
        assert end.transport.written == [BOTH]
        await say("unasked")  # nothing will follow: it goes at once
        assert end.transport.written[1:] == [text_frame(b"unasked")]


async def test_an_answer_is_written_before_the_turn_ends_when_the_app_asks_for_the_next_message() -> None:
    async with answered(twice) as (end, _):
        end.send(frame(1, b"said"))
        await asyncio.sleep(0)  # the app's step: the turn's end is behind it
        assert end.transport.written == [BOTH]
        assert (end.protocol._turns.number, end.protocol._turns._more) == (0, [])


async def test_answers_to_messages_that_came_together_are_one_write() -> None:
    async with answered(twice) as (end, _):
        end.send(frame(1, b"said") + frame(1, b"said"))
        await turns()
        assert end.transport.written == [BOTH + BOTH]


async def test_what_is_said_later_in_that_turn_does_not_overtake() -> None:
    async with answered(twice_and_more_to_come) as (end, say):
        end.send(frame(1, b"said"))
        await said(end)
        await say("another's")
        assert end.transport.written == []
        await turns()
        assert end.transport.written == [BOTH + text_frame(b"another's")]


async def test_a_slow_answer_does_not_hold_up_what_was_said() -> None:
    async def slowly(say: Say, send: Any) -> None:
        await say("event")
        await asyncio.sleep(60)

    async with answered(slowly) as (end, _):
        end.send(frame(1, b"said"))
        await turns()
        assert end.transport.written == [text_frame(b"event")]


async def test_a_close_comes_behind_what_was_said() -> None:
    async def close(say: Say, send: Any) -> None:
        await twice(say, send)
        await send({"type": "websocket.close", "code": 1000})

    async with answered(close) as (end, _):
        end.send(frame(1, b"said"))
        await turns()
        assert end.received() == BOTH + b"\x88\x02\x03\xe8"


async def test_a_peers_close_is_answered_behind_what_was_said() -> None:
    async with answered(twice_and_more_to_come) as (end, _):
        end.send(frame(1, b"said"))
        await said(end)
        end.send(frame(8, b"\x03\xe8"))
        await turns()
        assert end.received() == BOTH + b"\x88\x02\x03\xe8"


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (lambda end: end.protocol.shutdown(), 1012),
        (lambda end: end.protocol.keepalive_timeout(), 1011),
        (lambda end: end.send(frame(1, b"\xff")), 1007),
    ],
    ids=["a shutdown", "a peer that answers no ping", "a text that is not UTF-8"],
)
async def test_an_end_comes_behind_what_was_said(ends: Callable[[WireEnd], None], code: int) -> None:
    async with answered(twice_and_more_to_come) as (end, _):
        end.send(frame(1, b"said"))
        await said(end)
        ends(end)
        written = end.received()
        assert written.startswith(BOTH + b"\x88")
        assert written[len(BOTH) + 2 :].startswith(code.to_bytes(2, "big"))


async def test_an_app_that_ends_has_said_it_all() -> None:
    async def end_after_it(say: Say, send: Any) -> None:
        await twice(say, send)
        raise ClientDisconnected

    async with answered(end_after_it) as (end, _):
        end.send(frame(1, b"said"))
        await turns()
        assert (end.received(), end.transport.done[-1:]) == (BOTH, ["close"])


async def test_an_answer_without_end_is_written_in_parts_and_waits_for_its_reader() -> None:
    done: list[int] = []

    async def flood(say: Say, send: Any) -> None:
        for number in range(40):
            await say("x" * 10_000)
            done.append(number)

    async with answered(flood) as (end, _):
        taken = end.transport.write

        def write(data: Any) -> None:
            taken(data)
            if len(end.transport.written) == 1:  # the transport's buffer is full
                end.protocol.pause_writing()

        end.transport.write = write  # type: ignore[method-assign]
        end.send(frame(1, b"said"))
        await turns()
        assert len(done) == 7
        assert len(end.transport.written[0]) == 7 * len(text_frame(b"x" * 10_000))
        end.protocol.resume_writing()
        await turns()
        assert len(done) == 40
        assert len(end.received()) == 40 * len(text_frame(b"x" * 10_000))


@pytest.mark.parametrize(
    "ends",
    [
        lambda end: end.protocol.shutdown(),
        lambda end: end.protocol.keepalive_timeout(),
        lambda end: end.lose(),
        lambda end: end.send(frame(8, b"\x03\xe8")),
        lambda end: end.send(frame(1, b"\xff")),
        lambda end: end.send(b"\x83\x80mask"),
        lambda end: end.send(frame(1, b"close")),
    ],
    ids=["shutdown", "keepalive", "lost", "the peer's close", "not UTF-8", "a wrong frame", "the app's close"],
)
async def test_no_text_is_written_behind_an_end(ends: Callable[[WireEnd], None]) -> None:
    async def close(say: Say, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1000})
        await asyncio.sleep(60)

    async with answered(close) as (end, say):
        await say("before")
        ends(end)
        await turns()
        written = end.received()
        assert written.startswith(text_frame(b"before"))
        with pytest.raises((ClientDisconnected, RuntimeError)):
            await say("after")
        assert end.transport.written == []
