"""An answer that is whole is one write, and whatever uvicorn refuses of an app is refused as before."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message

from tests.transports.wire_end import WireEnd, turns
from transports.base import EDGES

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"4")]}
BODY: Message = {"type": "http.response.body", "body": b"said"}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def said(*messages: Message, request: bytes = GET, access_log: bool = False) -> WireEnd:
    """A connection on which an app has sent these for a request, and failed where the server refused one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    end = WireEnd(app, protocols=EDGES, access_log=access_log)
    end.send(request)
    await turns()
    return end


async def test_head_and_body_are_one_write() -> None:
    end = await said(START, BODY)
    (answer,) = end.transport.written
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"content-length: 4\r\n\r\nsaid")
    await end.end()


async def test_a_client_that_asks_for_the_end_gets_it_behind_the_answer() -> None:
    end = await said(START, BODY, request=GET[:-2] + b"Connection: close\r\n\r\n")
    (answer,) = end.transport.written
    assert b"\r\nconnection: close\r\n" in answer
    assert end.transport.done[-1] == "close"
    await end.end()


@pytest.mark.parametrize(
    "messages",
    [
        (START, {**BODY, "body": b"sa", "more_body": True}, {**BODY, "body": b"id"}),
        ({**START, "headers": [(b"content-length", b"4"), (b"connection", b"close")]}, BODY),
    ],
    ids=["in-parts", "the app ends the connection"],
)
async def test_other_answers_go_uvicorns_way(messages: tuple[Message, ...]) -> None:
    end = await said(*messages)
    assert b"".join(end.transport.written).endswith(b"\r\n\r\nsaid")
    await end.end()


async def test_an_answer_to_head_has_no_body() -> None:
    end = await said(START, BODY, request=GET.replace(b"GET", b"HEAD"))
    assert b"".join(end.transport.written).endswith(b"content-length: 4\r\n\r\n")
    await end.end()


@pytest.mark.parametrize(
    "messages",
    [
        (START, {**BODY, "body": b"said more"}),
        (START, {**BODY, "body": b"sa"}),
        ({**START, "headers": [*START["headers"], (b"x", b"a\r\nb: c")]}, BODY),
        (START,),
    ],
    ids=["longer", "shorter", "a field with a line break", "no body"],
)
async def test_an_answer_that_is_wrong_is_not_begun(
    messages: tuple[Message, ...], caplog: pytest.LogCaptureFixture
) -> None:
    end = await said(*messages)
    assert b"".join(end.transport.written).startswith(b"HTTP/1.1 500 ")
    assert end.transport.done[-1] == "close"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await end.end()


async def test_access_log_says_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "uvicorn.access")
    end = await said(START, BODY, access_log=True)
    assert [record.getMessage()[-20:] for record in caplog.records] == ['"GET / HTTP/1.1" 200']
    await end.end()


async def test_an_answer_that_is_like_the_last_is_as_it_would_have_been() -> None:
    body, changed = bytearray(b"said"), {**START, "headers": [(b"content-length", b"4"), (b"x", b"1")]}
    written = []
    for start, status, text, close in (
        (START, 200, b"said", b""),
        (START, 200, b"said", b""),
        (START, 202, b"said", b""),
        (changed, 202, b"said", b""),
        (changed, 202, b"told", b""),
        (changed, 202, b"told", b"Connection: close\r\n"),
        (changed, 202, b"told", b""),
    ):
        body[:] = text  # an app may use its buffer again
        end = await said({**start, "status": status}, {**BODY, "body": body}, request=GET[:-2] + close + b"\r\n")
        written.append(end.received())
        await end.end()
    assert written[0] == written[1]
    heads = [each.partition(b"\r\n")[0][9:12] for each in written]
    assert heads == [b"200", b"200", b"202", b"202", b"202", b"202", b"202"]
    assert [b"\r\nx: 1\r\n" in each for each in written] == [False, False, False, True, True, True, True]
    assert [each[-4:] for each in written] == [b"said"] * 4 + [b"told"] * 3
    assert [b"\r\nconnection: close\r\n" in each for each in written] == [False] * 5 + [True, False]


async def test_an_answer_has_the_date_of_now() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)

    end = WireEnd(app, protocols=EDGES)
    for date in (b"Mon", b"Tue"):
        end.state.default_headers = [(b"date", date)]
        end.send(GET)
        await turns()
        assert b"\r\ndate: %b\r\n" % date in end.received()
    await end.end()
