"""Foreign clients: the requests that an adapter describes, and the lab's messages found in whatever comes back."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from loadtests.load.clients import foreign, stamp
from loadtests.load.clients.base import Access, Client, Closed, Endpoint
from loadtests.records.adapter import Adapter, Publish, Subscribe

ACCESS = Access(Endpoint("h", 80), "r1", "t0k")
FIRST, SECOND = (stamp.build(0, message, 1000 + message, 2000, 64) for message in (0, 1))


def adapter(protocol: str, **subscribe: object) -> Adapter:
    return Adapter(
        name="mine",
        about="",
        protocol=protocol,
        subscribe=Subscribe(path="/in/{room}", headers={"X-Key": "{token}"}, **subscribe),  # type: ignore[arg-type]
        publish=Publish(path="/out/{room}", headers={"Content-Type": "text/plain"}, body='{"text":"{content}"}'),
    )


def chats(client: Client, data: bytes, step: int) -> list[tuple[str, str, int]]:
    """Feed in steps; return what came as (id, content, wire bytes)."""
    arrivals = [each for start in range(0, len(data), step) for each in client.feed(data[start : start + step])]
    assert {event.type for event, _ in arrivals} <= {"chat"}
    return [(event.id, event.content, wire_bytes) for event, wire_bytes in arrivals]


def text_frame(text: str) -> bytes:
    assert len(text) < 126
    return bytes((0x81, len(text))) + text.encode()


def test_the_stamp_is_found_wherever_it_stands() -> None:
    assert [(e.id, e.content) for e in foreign.found(f'{{"a":["{FIRST}","{SECOND}"]}}'.encode())] == [
        (foreign.message_id(0), FIRST),
        (foreign.message_id(1), SECOND),
    ]
    assert foreign.found(b"T1.2.3 and T.1.2.3.4.x and nothing else") == []


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_websocket_greets_and_finds_messages_in_text_and_binary(step: int) -> None:
    client = foreign.client(adapter("websocket", first_message='{"join":"{room}"}'), ACCESS)
    request = client.opening().decode()
    assert request.startswith("GET /in/r1 HTTP/1.1\r\nHost: h:80\r\nX-Key: t0k\r\nUpgrade: websocket\r\n")
    key = next(line[19:] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    head = f"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    assert chats(client, head, step) == []
    assert client.welcomed
    assert client.take_outgoing()[0] == 0x81, "the first message is a text frame"
    noise, message = text_frame("welcome"), text_frame(f'"{FIRST}"')
    assert chats(client, noise + message, step) == [(foreign.message_id(0), FIRST, len(message))]
    binary = bytes((0x82, len(FIRST) + 2)) + b"\xd9\x40" + FIRST.encode()
    assert chats(client, binary, step) == [(foreign.message_id(0), FIRST, len(binary))]
    assert client.closed is None


def websocket_client() -> Client:
    client = foreign.client(adapter("websocket"), ACCESS)
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", client.opening())
    assert key
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    client.feed(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    return client


def test_each_message_of_a_frame_is_read_once_and_has_its_share_of_the_bytes() -> None:
    client = websocket_client()
    short = FIRST[:-20]
    both = text_frame(f"{short[:50]} {SECOND[:50]}")
    assert [(event.id, event.content) for event, _ in client.feed(both)] == [
        (foreign.message_id(0), short[:50]),
        (foreign.message_id(1), SECOND[:50]),
    ]
    twice = text_frame(f"{FIRST[:30]} {FIRST}")
    ((event, wire_bytes),) = client.feed(twice)
    assert (event.id, event.content, wire_bytes) == (foreign.message_id(0), FIRST, len(twice))
    arrivals = client.feed(both + twice)
    assert len(arrivals) == 3
    assert sum(wire_bytes for _, wire_bytes in arrivals) == len(both) + len(twice)
    assert foreign.frames_in(arrivals) == 2, "messages of one frame share a stamp that is right for all of them"


def test_a_close_ends_the_connection_with_the_servers_own_reason() -> None:
    client = websocket_client()
    client.feed(text_frame(FIRST) + b"\x88\x0a" + (4000).to_bytes(2, "big") + b"go away!" + text_frame(SECOND))
    assert client.closed == Closed(4000, "go away!")


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_sse_is_welcome_by_its_head_and_resumes_by_the_last_id(step: int) -> None:
    described = adapter("sse")
    client = foreign.client(described, ACCESS)
    assert client.opening() == b"GET /in/r1 HTTP/1.1\r\nHost: h:80\r\nX-Key: t0k\r\n\r\n"
    assert chats(client, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", step) == []
    assert client.welcomed
    event = f"id: 7:0\ndata: {FIRST}\n\n".encode()
    assert chats(client, b": hi\n\n" + event, step) == [(foreign.message_id(0), FIRST, len(event))]
    again = foreign.client(described, ACCESS, client.position)
    assert b"\r\nLast-Event-ID: 7:0\r\n" in again.opening()


def answer(status: int, body: str = "", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_long_polls_prove_the_connection_then_follow_the_headers(step: int) -> None:
    client = foreign.client(adapter("longpoll", probe_path="/now", resume_headers={"If-None-Match": "Etag"}), ACCESS)
    assert client.opening().startswith(b"GET /now HTTP/1.1\r\n")
    before = client.welcomed
    assert chats(client, answer(404, "none yet"), step) == []
    assert (before, client.welcomed) == (False, True)
    poll = b"GET /in/r1 HTTP/1.1\r\nHost: h:80\r\nX-Key: t0k\r\n"
    assert client.take_outgoing() == poll + b"\r\n"
    delivered = answer(200, f"{FIRST},{SECOND}", Etag="7")
    first, second = chats(client, delivered, step)
    assert (first[0], second[0], first[2] + second[2]) == (foreign.message_id(0), foreign.message_id(1), len(delivered))
    assert client.take_outgoing() == poll + b"If-None-Match: 7\r\n\r\n"
    assert chats(client, answer(408), step) == []
    assert client.take_outgoing() == poll + b"If-None-Match: 7\r\n\r\n"
    assert chats(client, answer(403), step) == []
    assert client.closed == Closed(403, "poll refused")


@pytest.mark.parametrize("step", [1, 4096])
def test_any_2xx_acknowledges_a_post_and_nothing_else_does(step: int) -> None:
    client = foreign.ForeignPublishClient(adapter("sse"), ACCESS)
    body = b'{"text":"T0.0."}'
    assert client.publish("T0.0.", stamp.build_ref(0, 0)) == (
        b"POST /out/r1 HTTP/1.1\r\nHost: h:80\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )
    client.publish("T0.1.", stamp.build_ref(0, 1))
    data = answer(201, "made") + answer(500)
    events = [event for start in range(0, len(data), step) for event, _ in client.feed(data[start : start + step])]
    assert [(event.type, event.id, event.ref) for event in events] == [
        ("ack", foreign.message_id(0), "0.0"),
        ("error", "", "0.1"),
    ]
    assert events[1].code == "500"
