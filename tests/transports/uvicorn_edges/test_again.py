"""A request that differs from the last one in its query only is not parsed, and its app finds what it would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.transports.wire_end import DIRECT, WireEnd, turns
from transports.base import EDGES, Protocols
from transports.uvicorn_edges.bounds import kept_for_alike

FIELDS = b"Host: x\r\nAuthorization: Bearer abc\r\nX-Twice: 1\r\nx-twice: 2\r\n"


def get(query: bytes = b"since=a:1", *, fields: bytes = FIELDS, path: bytes = b"/rooms/lobby/poll") -> bytes:
    return b"GET %b?%b HTTP/1.1\r\n%b\r\n" % (path, query, fields)


class Asked:
    """An app that keeps its scopes, the messages that it received, and what it kept for requests that are alike."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Any] = []
        self.kept: list[dict[Any, Any] | None] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append({**scope, "headers": list(scope["headers"]), "state": dict(scope["state"])})
        self.kept.append(kept_for_alike(scope))
        self.received.append(await receive())
        scope["headers"].clear()  # an app may do with its scope what it likes
        scope["state"]["mine"] = len(self.scopes)
        scope["path"] = "/"
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def app() -> Asked:
    return Asked()


@pytest.fixture(params=[EDGES, DIRECT], ids=["edges", "direct"])
def sink(request: pytest.FixtureRequest) -> Protocols:
    protocols: Protocols = request.param
    return protocols


@pytest.fixture
async def end(app: Asked, sink: Protocols) -> AsyncIterator[WireEnd]:
    connection = WireEnd(app, protocols=sink)
    yield connection
    await connection.end()


class Counted:
    """The parser of a connection, which counts how often it is given something."""

    def __init__(self, end: WireEnd) -> None:
        self._parser = end.protocol.parser
        self.fed = 0
        end.protocol.parser = self

    def feed_data(self, data: bytes) -> None:
        self.fed += 1
        self._parser.feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


async def ask(end: WireEnd, *requests: bytes) -> list[bytes]:
    """Send one after the other; what was answered to each."""
    answers = []
    for data in requests:
        end.send(data)
        await turns()
        answers.append(end.received())
    return answers


async def test_its_app_finds_what_the_parser_would_have_given(app: Asked, sink: Protocols, end: WireEnd) -> None:
    queries = (b"since=a:1", b"since=a:22&wait=5", b"", b"since=a%3A3", b"since=a:1")
    parser = Counted(end)
    answers = await ask(end, *map(get, queries))
    assert parser.fed == 1
    assert len(set(answers)) == 1
    assert answers[0].endswith(b"\r\n\r\nok")
    again, app.scopes = app.scopes, []
    for query in queries:
        fresh = WireEnd(app, protocols=sink)
        await ask(fresh, get(query))
        await fresh.end()
    for scope in (*again, *app.scopes):
        del scope["extensions"]
    assert again == app.scopes
    assert {repr(message) for message in app.received} == {repr(app.received[0])}


@pytest.mark.parametrize(
    "other",
    [
        get(fields=FIELDS.replace(b"abc", b"abd")),
        get(path=b"/rooms/attic/poll"),
        get(b"since=\xff"),
        get(b"since=a b"),
        get(b"since=" + 600 * b"a"),
        get().replace(b"GET", b"PUT"),
        get().replace(b"/1.1", b"/1.0"),
        get() + get(),
        get(fields=FIELDS + b"Content-Length: 2\r\n") + b"\r\n",
    ],
)
async def test_every_other_request_is_parsed(other: bytes, app: Asked, end: WireEnd) -> None:
    parser = Counted(end)
    await ask(end, get(), other)
    assert parser.fed == 2


async def test_a_request_in_parts_is_parsed(app: Asked, end: WireEnd) -> None:
    parser = Counted(end)
    await ask(end, get(), get()[:20], get()[20:])
    assert parser.fed == 3
    assert len(app.scopes) == 2


async def test_one_that_comes_before_the_answer_is_parsed_and_waits(app: Asked, end: WireEnd) -> None:
    await ask(end, get())
    app.may_answer.clear()
    parser = Counted(end)
    assert await ask(end, get(b"since=a:2"), get(b"since=a:3")) == [b"", b""]
    assert parser.fed == 1
    assert [scope["query_string"] for scope in app.scopes] == [b"since=a:1", b"since=a:2"]
    app.may_answer.set()
    await turns()
    assert end.received().count(b"ok") == 2


@pytest.mark.parametrize("field", [b"Connection: close\r\n", b"Content-Length: 2\r\n", b"Expect: 100-continue\r\n"])
async def test_a_request_with_more_to_it_is_not_known_again(field: bytes, app: Asked, end: WireEnd) -> None:
    body = b"\r\n" if field.startswith(b"Content") else b""
    await ask(end, get(fields=FIELDS + field) + body)
    assert end.protocol._known is None


async def test_an_app_keeps_things_for_requests_that_are_alike(app: Asked, end: WireEnd) -> None:
    other = get(fields=FIELDS.replace(b"abc", b"abd"))
    await ask(end, get(), get(b"since=a:2"), other, get(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    first, second, third, fourth, plain = app.kept
    assert first is second is not None
    assert plain is None
    assert len({id(each) for each in (first, third, fourth)}) == 3
