"""Edges of HTTP/1.x, byte for byte: requests that proxies, scanners and old programs send, and stock clients seldom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawhttp import RawAnswer, answer_to, request
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import unique

KEY, CHAT = "dGhlIHNhbXBsZSBub25jZQ==", b'{"content":"hi"}'
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
WS = (*UPGRADE, f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
REQUIRED = {"upgrade": ["websocket"], "sec-websocket-version": ["13"]}
SIO = "/socket.io/?EIO=4&transport="


@pytest.fixture(scope="module", params=["rtlab direct", "rtlab portable", "uvicorn"])
def server(servers: ServerPool, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    if request.param == "uvicorn":
        started = servers.own("all", launcher="uvicorn")
        yield started
        started.stop()
    else:
        yield servers.shared("all", {"FANOUT": request.param.split()[1]})


@pytest.fixture(autouse=True)
def quiet(server: ServerProcess) -> Iterator[None]:
    """Nobody fills a log from outside."""
    before = len(server.log_text())
    yield
    said = server.log_text()[before:]
    assert not re.findall("(?m)^(?:WARNING|ERROR|CRITICAL).*|Traceback.*", said), said
    assert server.spec.launcher == "uvicorn" or not said, said


@dataclass(frozen=True)
class Case:
    said: bytes
    status: int
    code: str | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)


def asked(line: str, *fields: str, **options: str) -> bytes:
    return request(line, *fields, host=options.get("host", "127.0.0.1"))


CASES = {
    "HEAD health": Case(asked("HEAD /health"), 200),
    "HEAD metrics": Case(asked("HEAD /metrics"), 200),
    "a slash too many": Case(asked("GET /health/", host="evil.example"), 404, "not_found", {"location": []}),
    "a slash too many in a room": Case(asked("GET /rooms/lobby/poll/"), 404, "not_found", {"location": []}),
    "a slash too many in a message": Case(asked("POST /rooms/lobby/messages/"), 404, "not_found", {"location": []}),
    "a slash too few": Case(asked(f"GET {SIO}polling".replace("/?", "?")), 404, "not_found", {"location": []}),
    "two slashes": Case(asked("GET //health"), 404, "not_found"),
    "an encoded slash": Case(asked("GET /rooms/lobby%2Fpoll"), 404, "not_found"),
    "an encoded slash, small": Case(asked("GET /rooms/lobby%2fevents"), 404, "not_found"),
    "an encoded slash in an upgrade": Case(asked("GET /rooms/lobby%2fws", *WS), 404, "not_found"),
    "no Host": Case(asked("GET /health", host=""), 400, "bad_request"),
    "two Hosts": Case(asked("GET /health", "Host: 127.0.0.1"), 400, "bad_request"),
    "two Hosts in HTTP/1.0": Case(asked("GET /health HTTP/1.0", "Host: 127.0.0.1"), 400, "bad_request"),
    "no Host in an upgrade": Case(asked("GET /rooms/lobby/ws", *WS, host=""), 400, "bad_request"),
    "two Hosts in an upgrade": Case(asked("GET /rooms/lobby/ws", *WS, "Host: x"), 400, "bad_request"),
    "no upgrade": Case(asked("GET /rooms/lobby/ws"), 426, "upgrade_required", REQUIRED),
    "no upgrade of Socket.IO": Case(asked(f"GET {SIO}websocket"), 426, "upgrade_required", REQUIRED),
    "no upgrade of a session": Case(asked(f"GET {SIO}polling&transport=websocket&sid=x"), 426, "upgrade_required"),
    "no upgrade of a room that cannot be": Case(asked("GET /rooms/a%20b/ws"), 404, "not_found"),
    "an upgrade by POST": Case(asked("POST /rooms/lobby/ws", *WS), 405, "method_not_allowed", {"allow": ["GET"]}),
    "version 8": Case(
        asked("GET /rooms/lobby/ws", *WS[:3], "Sec-WebSocket-Version: 8"), 426, "upgrade_required", REQUIRED
    ),
    "no version": Case(asked("GET /rooms/lobby/ws", *WS[:3]), 426, "upgrade_required", REQUIRED),
    "no good key": Case(asked("GET /rooms/lobby/ws", *WS, "Sec-WebSocket-Key: x"), 400, "bad_request"),
    "an upgrade with a body": Case(asked("GET /rooms/lobby/ws", *WS, "Content-Length: 3") + b"abc", 400, "bad_request"),
    "an upgrade with chunks": Case(
        asked("GET /rooms/lobby/ws", *WS, "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, "bad_request"
    ),
    "an upgrade of no such path": Case(asked("GET /nothing/here", *WS), 404, "not_found"),
    "an upgrade of a poll": Case(asked("GET /rooms/lobby/poll", *WS), 404, "not_found"),
    "an upgrade of a room that cannot be": Case(asked("GET /rooms/a%20b/ws", *WS), 404, "not_found"),
    "an upgrade from elsewhere": Case(asked("GET /rooms/lobby/ws", *WS, "Origin: http://x"), 403, "forbidden"),
    "an upgrade of Socket.IO from elsewhere": Case(
        asked(f"GET {SIO}websocket", *WS, "Origin: http://x"), 403, "forbidden"
    ),
    "an upgrade in absolute form": Case(asked("GET http://x/rooms/lobby/ws?a=b", *WS), 101),
    "an upgrade among other options": Case(
        asked("GET /rooms/lobby/ws", "Connection: keep-alive", *WS, "Content-Length: 0"), 101
    ),
    "an upgrade to HTTP/2": Case(asked("GET /health", *H2C), 200),
    "a tunnel": Case(asked("CONNECT 127.0.0.1:1"), 400),
    "no such session of Socket.IO": Case(asked(f"GET {SIO}polling&sid=x"), 400),
    "another version of Engine.IO": Case(asked("GET /socket.io/?EIO=3&transport=polling"), 400),
    "another version of HTTP": Case(asked("GET /health HTTP/1.2"), 400),
    "no HTTP": Case(b"\x16\x03\x01 hello\r\n\r\n", 400),
    "no length that can be": Case(asked("POST /session", "Content-Length: 1", "Content-Length: 2"), 400),
    "no chunk": Case(asked("POST /session", "Transfer-Encoding: chunked") + b"zz\r\n", 400),
}


async def test_answers(server: ServerProcess) -> None:
    for name, case in CASES.items():
        answer = await answer_to(server, case.said, until=b"" if case.code is None else b"}")
        assert answer.status == case.status, name
        assert case.code is None or answer.code == case.code, name
        assert {field: answer.all(field) for field in case.fields} == case.fields, name


async def test_an_upgrade_that_is_passed_over_costs_no_body_and_nothing_behind_it(server: ServerProcess) -> None:
    """curl's --http2 asks so, also where it POSTs."""
    room, token = unique("room"), sign("alice")
    post = request(f"POST /rooms/{room}/messages", *H2C, token=token, body=CHAT)
    state = request(f"GET /rooms/{room}", "Connection: close", token=token)
    answer = await answer_to(server, post * 3 + state, until=None)
    assert (answer.head + answer.rest).count(b" 202 Accepted\r\n") == 3
    position = re.search(rb'"position":"[^:]*:(\d+)"', answer.rest)
    assert position is not None
    assert position[1] == b"3"


def is_plain(answer: RawAnswer) -> bool:
    return not answer.all("transfer-encoding") and answer.all("connection") == ["close"]


async def test_http_1_0_stream_is_not_chunked(server: ServerProcess) -> None:
    ask = request(f"GET /rooms/{unique('room')}/events HTTP/1.0", token=sign("alice"))
    answer = await answer_to(server, ask, until=b"user_joined")
    assert answer.status == 200
    assert is_plain(answer)
    assert re.match(rb"retry: (\d{3}|1\d{3})\nid: ", answer.rest)


async def test_http_1_0_answer_is_whole_when_the_connection_ends(server: ServerProcess) -> None:
    for path in (f"{SIO}polling", "/rooms/lobby/poll", "/health", "/metrics", "/", "/nothing-here"):
        answer = await answer_to(server, request(f"GET {path} HTTP/1.0", host="", token=sign("alice")), until=None)
        assert answer.status == (404 if path == "/nothing-here" else 200), path
        assert is_plain(answer), path
        assert answer.rest.startswith((b"{", b"0{", b"# HELP", b"<!")), path


async def test_http_1_0_client_gets_no_100(server: ServerProcess) -> None:
    path, expect, token = f"/rooms/{unique('room')}/messages", "Expect: 100-continue", sign("alice")
    old = await answer_to(server, request(f"POST {path} HTTP/1.0", expect, token=token, body=CHAT), until=None)
    assert old.status == 202
    assert is_plain(old)
    new = await answer_to(server, request(f"POST {path}", expect, token=token, body=CHAT), until=b" 202 ")
    assert new.status == 100
