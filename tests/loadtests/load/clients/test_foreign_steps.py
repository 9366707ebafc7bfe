"""Steps, captures, answers and encodings of foreign clients, at the wire: each with every split of the bytes."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from pathlib import Path

import msgspec
import pytest

from loadtests.load.clients import foreign, stamp
from loadtests.load.clients.base import Access, Arrival, Client, Closed, Endpoint, Event
from loadtests.load.clients.foreign import ForeignPublishClient, ForeignWebSocketClient, Session
from loadtests.records import adapter as adapters
from loadtests.records.adapter import Adapter
from loadtests.records.errors import AdapterError

ACCESS = Access(Endpoint("h", 80), "r1", "t0k")
FIRST, SECOND = (stamp.build(0, message, 1000 + message, 2000, 64) for message in (0, 1))


def adapter(protocol: str, subscribe: dict[str, object], publish: dict[str, object] | None = None) -> Adapter:
    raw = {"name": "mine", "about": "", "protocol": protocol, "subscribe": {"path": "/in/{room}", **subscribe}}
    return adapters.check(msgspec.convert(raw | {"publish": {"path": "/out"} if publish is None else publish}, Adapter))


def fed(client: Client, data: bytes, step: int) -> list[Arrival]:
    return [each for start in range(0, len(data), step) for each in client.feed(data[start : start + step])]


def frame(text: str | bytes, opcode: int = 1) -> bytes:
    payload = text if isinstance(text, bytes) else text.encode()
    assert len(payload) < 126
    return bytes((0x80 | opcode, len(payload))) + payload


def unmasked(data: bytes) -> list[tuple[int, bytes]]:
    """Return opcode and payload of each short frame of a client."""
    frames = []
    while data:
        size, key = data[1] & 0x7F, data[2:6]
        frames.append((data[0] & 0x0F, bytes(byte ^ key[place % 4] for place, byte in enumerate(data[6 : 6 + size]))))
        data = data[6 + size :]
    return frames


def answer(body: str | bytes, status: int = 200, *lines: str) -> bytes:
    payload = body if isinstance(body, bytes) else body.encode()
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status} X\r\n{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload


def shaken(request: bytes) -> bytes:
    """Return the answer to an upgrade."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
    assert key
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"


@pytest.mark.parametrize("step", [1, 4096])
def test_a_websocket_takes_requests_then_messages_in_turn_and_answers_the_servers_pings(step: int) -> None:
    described = adapter(
        "websocket",
        {
            "path": "/ws?id={id}",
            "headers": {"Cookie": "{cookie}"},
            "steps": [
                {
                    "request": "POST /open",
                    "body": "{}",
                    "capture": {"id": '"id":"([^"]+)"', "cookie": "(?i)cookie: (a=[^;]+)"},
                },
                {"expect": "^0"},
                {"send": "40 {user}"},
                {"send": "join {room} {seq}", "expect": "joined as ([a-z]+)", "capture": {"me": "as ([a-z]+)"}},
            ],
            "answer": {"^2$": "3 {me}"},
            "heartbeat": {"every_s": 5, "send": "beat {seq}"},
        },
        {"body": "{me} {seq} {content}", "ack": "^ack ([0-9]+)"},
    )
    client = foreign.client(described, ACCESS, session=Session(described, ACCESS, user=7))
    assert isinstance(client, ForeignWebSocketClient)
    assert client.opening() == (
        b"POST /open HTTP/1.1\r\nHost: h:80\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert fed(client, answer('{"id":"x y"}', 201, "Set-Cookie: a=1; Path=/", "Set-cookie: b=2"), step) == []
    upgrade = client.take_outgoing()
    assert upgrade.startswith(b"GET /ws?id=x%20y HTTP/1.1\r\nHost: h:80\r\nCookie: a=1\r\nUpgrade: websocket\r\n")
    fed(client, shaken(upgrade) + frame("hello") + frame("0{}"), step)
    assert not client.welcomed
    assert unmasked(client.take_outgoing()) == [(1, b"40 7"), (1, b"join r1 4")]
    assert "nothing matched /joined as ([a-z]+)/" in client.lacks
    fed(client, frame("no") + frame("joined as bob"), step)
    assert (client.welcomed, client.lacks) == (True, "")
    assert fed(client, frame("2") + frame("22"), step) == []
    assert unmasked(client.take_outgoing()) == [(1, b"3 bob")]
    assert unmasked(client.heartbeat()) == [(1, b"beat 6")]
    assert client.acknowledges
    assert unmasked(client.publish("c", "0.0") + client.publish("d", "0.1")) == [(1, b"bob 7 c"), (1, b"bob 8 d")]
    arrivals = fed(client, frame("ack 8") + frame(FIRST) + frame("ack 7") + frame("ack 7"), step)
    assert [(event.type, event.id, event.ref) for event, _ in arrivals] == [
        ("ack", foreign.message_id(1), "0.1"),
        ("chat", foreign.message_id(0), ""),
        ("ack", foreign.message_id(0), "0.0"),
    ]


def test_acknowledgements_without_a_number_answer_in_turn_and_messages_can_be_binary() -> None:
    described = adapter("websocket", {"binary": True}, {"body": "\x01\xff{content}", "ack": "^ok"})
    client = foreign.client(described, ACCESS)
    assert isinstance(client, ForeignWebSocketClient)
    client.feed(shaken(client.opening()))
    assert unmasked(client.publish("c", "0.0")) == [(2, b"\x01\xffc")]
    assert [event.ref for event, _ in client.feed(frame(b"ok", 2) + frame(b"ok", 2))] == ["0.0"]


@pytest.mark.parametrize(
    ("data", "said"),
    [(answer("no", 415), Closed(415, "step 1 refused")), (answer("no id"), None)],
)
def test_a_step_that_fails_ends_the_attempt_with_the_reason(data: bytes, said: Closed | None) -> None:
    client = foreign.client(
        adapter("sse", {"steps": [{"request": "POST /open", "capture": {"id": '"id":"([^"]+)"'}}]}), ACCESS
    )
    client.opening()
    client.feed(data)
    assert client.closed is not None
    assert client.closed == said or 'nothing matched /"id":"([^"]+)"/; the last was \'no id\'' in client.closed.reason
    assert client.take_outgoing() == b""


@pytest.mark.parametrize("step", [1, 4096])
def test_long_polls_follow_a_cursor_in_the_body_and_answer_a_ping_by_a_request(step: int) -> None:
    described = adapter(
        "longpoll",
        {
            "method": "POST",
            "body": "at={at}",
            "headers": {"Content-Type": "text/plain"},
            "steps": [{"request": "GET /", "capture": {"at": 'id="m([0-9]+)"'}}],
            "values": {"at": ""},
            "capture": {"at": '"id": ([0-9]+)'},
            "answer": {"(^|,)2($|,)": {"request": "POST /pong/{at}", "body": "3"}},
        },
        {"path": "/out/{at}", "session": True},
    )
    client = foreign.client(described, ACCESS)
    assert client.opening() == b"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n"
    before = client.welcomed
    fed(client, answer("no messages yet"), step)
    assert (before, client.welcomed) == (False, True)
    poll = "POST /in/r1 HTTP/1.1\r\nHost: h:80\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\nat={}"
    assert client.take_outgoing().decode() == poll.format(3, "")
    events = fed(client, answer(f'{{"id": 5, "t": "{FIRST}"}} {{"id": 6, "t": "{SECOND}"}}'), step)
    assert [event.id for event, _ in events] == [foreign.message_id(0), foreign.message_id(1)]
    assert client.take_outgoing().decode() == poll.format(4, 6)
    fed(client, answer("a,2"), step)
    pong = client.take_outgoing()
    assert pong.startswith(b"POST /pong/6 HTTP/1.1\r\n")
    assert pong.endswith(b"\r\n\r\n3")
    assert fed(client, answer("ok"), step) == []
    assert client.take_outgoing().decode() == poll.format(4, 6)
    publisher = ForeignPublishClient(described, ACCESS, client.session)
    assert publisher.publish("c", "0.0").startswith(b"POST /out/6 HTTP/1.1\r\n")
    # A new subscription goes on where this one was, whatever its steps capture.
    again = foreign.client(described, ACCESS, client.position)
    again.opening()
    again.feed(answer('<p id="m9">'))
    assert again.take_outgoing().decode() == poll.format(4, 6)


def test_a_body_may_end_with_its_connection_and_the_next_one_goes_on() -> None:
    client = foreign.client(
        adapter("longpoll", {"steps": [{"request": "GET /a", "capture": {"id": "id=([0-9]+)"}}], "path": "/lp/{id}"}),
        ACCESS,
    )
    client.opening()
    assert client.feed(b"HTTP/1.0 200 OK\r\n\r\nid=12") == []
    assert client.finish() == []
    successor = client.successor
    assert successor is not None
    assert successor.welcomed
    assert successor.opening().startswith(b"GET /lp/12 HTTP/1.1\r\n")
    assert successor.feed(f"HTTP/1.0 200 OK\r\n\r\n{FIRST}".encode()) == []
    assert [event.content for event, _ in successor.finish()] == [FIRST]
    following = successor.successor
    assert following is not None
    assert following.opening().startswith(b"GET /lp/12 HTTP/1.1\r\n")


def test_a_stream_waits_for_an_event_or_for_nothing_at_all() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    waiting = foreign.client(
        adapter("sse", {"steps": [{"expect": "ready"}], "method": "POST", "body": "{room}"}), ACCESS
    )
    assert waiting.opening().endswith(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\nr1")
    waiting.feed(head + b"data: steady\n\n")
    assert (waiting.welcomed, waiting.lacks) == (False, "step 1: nothing matched /ready/; the last was 'steady'")
    waiting.feed(b"data: ready\n\n")
    assert waiting.welcomed
    late = foreign.client(adapter("sse", {"late_head": True}), ACCESS)
    late.opening()
    assert late.welcomed
    assert [event.content for event, _ in late.feed(head + f"data: {FIRST}\n\n".encode())] == [FIRST]


ENCODED = base64.b64encode(FIRST.encode()).decode()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("base64", f'{{"data":"{ENCODED}"}}'),
        ("base64", f'{{"data":"{ENCODED.rstrip("=").replace("+", "-").replace("/", "_")}"}}'),
        (
            "base64",
            base64.b64encode(b'{"text":"' + FIRST.encode() + b'"}')
            .decode()
            .replace("+", "\\u002B")
            .replace("/", "\\/"),
        ),
        ("escaped", FIRST.replace(".", "\\u002e")),
        ("escaped", FIRST.replace(".", "%2E").replace("T", "&#x54;")),
    ],
)
def test_a_message_is_found_in_what_an_encoding_hides(encoding: str, sent: str) -> None:
    client = foreign.client(adapter("sse", {"encoding": encoding}), ACCESS)
    client.opening()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    events: list[Event] = [event for event, _ in client.feed(head + f"data: {sent}\n\n".encode())]
    assert [event.content for event in events] == [FIRST]


@pytest.mark.parametrize("step", [1, 4096])
def test_a_publisher_takes_its_steps_first_and_reads_what_an_answer_says(step: int) -> None:
    described = adapter(
        "sse",
        {},
        {
            "path": "/out",
            "method": "PUT",
            "headers": {"X-Csrf": "{csrf}"},
            "steps": [{"request": "GET /form", "capture": {"csrf": "csrf=([a-z]+)"}}],
            "encoding": "base64",
            "ack": '"ok":true',
        },
    )
    client = foreign.publish_client(described, ACCESS)
    assert client.opening() == b"GET /form HTTP/1.1\r\nHost: h:80\r\n\r\n"
    assert client.publish("c", "0.0") == b""
    fed(client, answer("csrf=abc"), step)
    assert client.take_outgoing().endswith(b"\r\n\r\nYw==")
    assert client.publish("d", "0.1").startswith(
        b"PUT /out HTTP/1.1\r\nHost: h:80\r\nX-Csrf: abc\r\nContent-Type: application/json\r\n"
    )
    events = [event for event, _ in fed(client, answer('{"ok":true}') + answer('{"ok":false}'), step)]
    assert [(event.type, event.ref) for event in events] == [("ack", "0.0"), ("error", "0.1")]


OWN = """
import zlib
from loadtests.load.clients.foreign import ForeignWebSocketClient

class Deflated(ForeignWebSocketClient):
    def decoded(self, data):
        return zlib.decompress(data)

    def encoded(self, content):
        return zlib.compress(super().encoded(content))
"""


def test_a_class_of_ones_own_reads_and_writes_what_no_adapter_can_describe(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    described = adapter("websocket", {"client": f"{tmp_path}/own.py:Deflated", "binary": True}, {})
    foreign.require_classes(described)
    client = foreign.client(described, ACCESS)
    client.feed(shaken(client.opening()))
    assert isinstance(client, ForeignWebSocketClient)
    ((opcode, payload),) = unmasked(client.publish("c" * 60, "0.0"))
    assert (opcode, zlib.decompress(payload)) == (2, b"c" * 60)
    assert [event.content for event, _ in client.feed(frame(zlib.compress(FIRST.encode()), 2))] == [FIRST]
    for named, said in (
        (f"{tmp_path}/own.py:Nobody", "allowed: a class that derives from"),
        ("nowhere.py:X", "FileNotF"),
    ):
        with pytest.raises(AdapterError, match=said):
            foreign.require_classes(adapter("websocket", {"client": named}, {}))
