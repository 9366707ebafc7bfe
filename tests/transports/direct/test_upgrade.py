"""The upgrade that is parsed once: to a client and an app it is that of websockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected
from websockets.http11 import Request

from tests.core.virtual_time import VirtualTimeLoop
from tests.transports.wire_end import WireEnd, turns
from transports.direct import protocols
from transports.direct.upgrade import plain_key
from transports.uvicorn_edges.bounds import CONNECTION
from transports.uvicorn_edges.http1 import asks_for_websocket

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FIELDS = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def request(*more: str, line: str = "GET /rooms/lobby/ws?a=%20b HTTP/1.1", **changed: str) -> bytes:
    """An upgrade; fields are changed by their names in capitals without what is no letter, and left out if empty."""
    plain = {"".join(filter(str.isalpha, name)).upper(): name for name in FIELDS}
    fields = FIELDS | {plain[name]: value for name, value in changed.items()}
    kept = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([line, *kept, *more, "", ""]).encode("latin-1")


class App:
    """Does what it is asked to with the next upgrade, and keeps what it has received."""

    def __init__(self, *answers: Message) -> None:
        self.answers = answers or ({"type": "websocket.accept"},)
        self.scope: Scope = {}
        self.received: list[Message] = []
        self.failed: list[Exception] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.received.append(await receive())
        await self.may_answer.wait()
        try:
            for answer in self.answers:
                await send(answer)
        except Exception as error:
            self.failed.append(error)
            raise
        while (message := await receive())["type"] != "websocket.disconnect":
            self.received.append(message)
        self.received.append(message)


class Ends:
    """Makes connections, and ends them."""

    def __init__(self) -> None:
        self._made: list[WireEnd] = []

    def __call__(self, app: Any, **config: Any) -> WireEnd:
        settings = {"ws_max_size": 16_384, "ws_per_message_deflate": False, "lifespan": "off", **config}
        self._made.append(WireEnd(app, **settings))
        return self._made[-1]

    async def end(self) -> None:
        for end in self._made:
            await end.end()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    yield made
    await made.end()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that websockets has parsed."""
    found: list[Request] = []
    parse = Request.parse.__func__  # type: ignore[attr-defined]

    def watched(cls: type, read_line: Any) -> Any:
        whole = yield from parse(cls, read_line)
        found.append(whole)
        return whole

    monkeypatch.setattr(Request, "parse", classmethod(watched))
    return found


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
async def test_a_plain_upgrade_is_answered_without_a_second_parser(
    ends: Ends, parsed: list[Request], connection: str
) -> None:
    end = ends(App({"type": "websocket.accept", "headers": [(b"x-mine", b"1")]}))
    end.state.default_headers = [(b"server", b"uvicorn")]
    end.send(request("Origin: http://x", CONNECTION=connection))
    await turns()
    head, _, rest = end.received().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 101 Switching Protocols"
    assert b"Sec-WebSocket-Accept: " + ACCEPT in lines
    assert {b"Upgrade: websocket", b"Connection: Upgrade", b"server: uvicorn", b"x-mine: 1"} <= set(lines)
    assert rest == b""
    assert parsed == []


LONG = {
    "another version": request(SECWEBSOCKETVERSION="12"),
    "no version": request(SECWEBSOCKETVERSION=""),
    "no key": request(SECWEBSOCKETKEY=""),
    "short key": request(SECWEBSOCKETKEY="dGhl"),
    "key of 17 bytes": request(SECWEBSOCKETKEY="dGhlIHNhbXBsZSBub25jZT0="),
    "two keys": request(f"Sec-WebSocket-Key: {KEY}"),
    "two versions": request("Sec-WebSocket-Version: 13"),
    "two upgrades": request("Upgrade: websocket"),
    "two origins": request("Origin: http://a", "Origin: http://b"),
    "two connections, one of which is no list": request("Connection: Upgrade", CONNECTION="Upgrade, @"),
    "a subprotocol": request("Sec-WebSocket-Protocol: chat"),
    "a body": request("Content-Length: 2") + b"{}",
    "no body, and says so": request("Content-Length: 0"),
    "chunks": request("Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "other words beside upgrade": request(CONNECTION="close, Upgrade"),
    "POST": request(line="POST /rooms/lobby/ws HTTP/1.1"),
    "HTTP/1.0": request(line="GET /rooms/lobby/ws HTTP/1.0"),
    "absolute form": request(line="GET http://x/rooms/lobby/ws HTTP/1.1"),
}


async def outcome(ends: Ends, data: bytes, **config: Any) -> tuple[bytes, Scope, list[Message]]:
    """What a client and the app see of it."""
    app = App()
    end = ends(app, **config)
    end.send(data)
    await turns()
    app.scope.get("extensions", {}).pop(CONNECTION, None)
    return end.received(), app.scope, app.received


def without_date(response: bytes) -> list[bytes]:
    return sorted(line.lower() for line in response.split(b"\r\n") if not line.lower().startswith(b"date:"))


@pytest.mark.parametrize("data", LONG.values(), ids=LONG)
async def test_what_asks_for_more_is_left_to_websockets(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    found, scope, received = await outcome(ends, data)
    monkeypatch.setattr(protocols, "plain_key", lambda asked: None)
    expected, expected_scope, expected_received = await outcome(ends, data)
    assert without_date(found) == without_date(expected)
    assert (scope, received) == (expected_scope, expected_received)


@pytest.mark.parametrize(
    "data",
    [
        request(),
        request("Origin: http://x", "Cookie: a=b", "Cookie: c=d", "X-Odd: \xe9"),
        request("Sec-WebSocket-Extensions: permessage-deflate"),
        request(line="GET /rooms/l%C3%A4%2F?x=%20&y=a?b HTTP/1.1"),
        request(line="GET / HTTP/1.1"),
    ],
)
async def test_the_app_sees_what_it_would_see_by_websockets(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, parsed: list[Request], data: bytes
) -> None:
    found, scope, received = await outcome(ends, data, root_path="/under")
    assert parsed == []
    monkeypatch.setattr(protocols, "plain_key", lambda asked: None)
    expected, expected_scope, expected_received = await outcome(ends, data, root_path="/under")
    assert len(parsed) == 1
    assert without_date(found) == without_date(expected)
    assert (scope, received) == (expected_scope, expected_received)


async def test_an_offer_to_compress_is_for_websockets_where_we_do(ends: Ends, parsed: list[Request]) -> None:
    end = ends(App(), ws_per_message_deflate=True)
    end.send(request("Sec-WebSocket-Extensions: permessage-deflate"))
    await turns()
    assert b"permessage-deflate" in end.received()
    assert len(parsed) == 1


async def test_frames_flow_both_ways_also_those_that_came_before_the_answer(ends: Ends) -> None:
    app = App({"type": "websocket.accept"}, {"type": "websocket.send", "text": "hi"})
    app.may_answer.clear()
    end = ends(app)
    end.send(request())
    end.send(b"\x81\x82\x00\x00\x00\x00ab")
    await turns()
    assert end.received() == b""
    app.may_answer.set()
    await turns()
    assert end.received().endswith(b"\r\n\r\n\x81\x02hi")
    end.send(b"\x81\x82\x00\x00\x00\x00cd")
    await turns()
    assert [message.get("text") for message in app.received] == [None, "ab", "cd"]


@pytest.mark.parametrize(
    ("answers", "start"),
    [
        ([{"type": "websocket.close"}], b"HTTP/1.1 403 "),
        (
            [
                {"type": "websocket.http.response.start", "status": 429, "headers": [(b"retry-after", b"1")]},
                {"type": "websocket.http.response.body", "body": b"slow down"},
            ],
            b"HTTP/1.1 429 ",
        ),
    ],
)
async def test_an_app_may_refuse(ends: Ends, answers: list[Message], start: bytes) -> None:
    end = ends(App(*answers))
    end.send(request())
    await turns()
    assert end.received().startswith(start)
    assert end.transport.is_closing()


async def test_a_subprotocol_that_the_app_names_is_said(ends: Ends) -> None:
    end = ends(App({"type": "websocket.accept", "subprotocol": "chat"}))
    end.send(request())
    await turns()
    assert b"\r\nsec-websocket-protocol: chat\r\n" in end.received()


async def test_an_app_that_accepts_after_the_client_has_gone_is_notified(ends: Ends) -> None:
    app = App()
    app.may_answer.clear()
    end = ends(app)
    end.send(request())
    await turns()
    end.protocol.connection_lost(None)
    end.state.connections.add(end.protocol)  # it is taken out once more when the test ends
    app.may_answer.set()
    await turns()
    assert [type(error) for error in app.failed] == [ClientDisconnected]
    assert end.received() == b""


@pytest.mark.parametrize("before", ["websocket.accept", "websocket.close"])
async def test_an_accept_that_comes_too_late_is_the_error_that_it_was(ends: Ends, before: str) -> None:
    app = App({"type": before}, {"type": "websocket.accept"})
    end = ends(app)
    end.send(request())
    await turns()
    assert [type(error) for error in app.failed] == [RuntimeError]


async def test_a_client_that_goes_silent_is_asked_as_before(ends: Ends) -> None:
    end = ends(App(), ws_ping_interval=15.0, ws_ping_timeout=15.0)
    end.send(request())
    await turns()
    end.received()
    await asyncio.sleep(15.5)
    assert end.received().startswith(b"\x89\x04")


@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from([*(name.lower().encode() for name in FIELDS), b"origin", b"content-length", b"cookie"]),
            st.sampled_from([*(value.encode() for value in FIELDS.values()), b"", b"\xff", b"upgrade, upgrade"]),
        ),
        max_size=8,
    )
)
def test_whatever_the_fields_a_key_is_found_only_where_all_that_counts_is_there_once(
    fields: list[tuple[bytes, bytes]],
) -> None:
    class Asked:
        class parser:  # noqa: N801
            get_method = staticmethod(lambda: b"GET")
            get_http_version = staticmethod(lambda: "1.1")

        url = b"/"
        headers = fields

        class config:  # noqa: N801
            ws_per_message_deflate = False

    asked: Any = Asked
    found = plain_key(asked) if asks_for_websocket(asked) else None
    given_names = [name for name, _ in fields]
    sound = (
        fields.count((b"sec-websocket-key", KEY.encode())) == 1
        and (b"sec-websocket-version", b"13") in fields
        and (b"upgrade", b"websocket") in fields
        and (b"connection", b"Upgrade") in fields
        and all(given_names.count(name.lower().encode()) == 1 for name in FIELDS if name != "Host")
        and given_names.count(b"origin") < 2
        and b"content-length" not in given_names
    )
    assert (found is not None) == sound
