"""The HTTP/2 clients against h2's own server side, without a socket."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RemoteSettingsChanged, RequestReceived
from h2.exceptions import ProtocolError as H2Error
from h2.settings import SettingCodes
from hypothesis import given

from loadtests.load.clients.base import Client, Closed, ProtocolError
from loadtests.load.clients.http2 import FRAME_HEAD_BYTES, Http2Client, Http2PublishClient
from loadtests.load.clients.http2_push import Http2PushClient
from loadtests.load.clients.http2_sse import Http2SseClient
from tests.loadtests.load.clients.streams import ACCESS, cut, places

EPOCH = "abcdefgh"
WELCOME = b'{"type":"welcome","position":"abcdefgh:1"}\n'
REQUEST = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"127.0.0.1")]


def chat(offset: int, ref: str = "") -> bytes:
    return b'{"type":"chat","id":"%b:%d","content":"hello","ref":"%b"}' % (EPOCH.encode(), offset, ref.encode())


class Server:
    """The other end of one client's connection."""

    def __init__(self, client: Client) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.h2.initiate_connection()
        self.settings: dict[int, int] = {}
        self.requests: dict[int, dict[bytes, bytes]] = {}
        self.receive(client.opening())

    def receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.requests[event.stream_id] = dict(event.headers)
            elif isinstance(event, RemoteSettingsChanged):
                self.settings |= {int(code): change.new_value for code, change in event.changed_settings.items()}

    def head(self, stream_id: int = 1, status: int = 200, content_type: bytes = b"application/x-ndjson") -> None:
        self.h2.send_headers(stream_id, [(b":status", b"%d" % status), (b"content-type", content_type)])

    def push(self, path: str, body: bytes, status: int = 200, parent: int = 1) -> int:
        promised = self.h2.get_next_available_stream_id()
        self.h2.push_stream(parent, promised, [*REQUEST, (b":path", path.encode())])
        self.h2.send_headers(promised, [(b":status", b"%d" % status)])
        self.h2.send_data(promised, body, end_stream=True)
        return promised

    def said(self) -> bytes:
        return self.h2.data_to_send()


def pushing(client: Http2PushClient) -> Server:
    server = Server(client)
    server.head()
    server.h2.send_data(1, WELCOME)
    return server


@given(places)
def test_any_split_of_promises_gives_the_same_events(where: list[int]) -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    for offset in (2, 3, 4):
        server.push(f"/rooms/lobby/pushed/{offset}", chat(offset))
    server.h2.send_data(1, b"\n")  # a heartbeat
    arrivals = [arrival for piece in cut(server.said(), where) for arrival in client.feed(piece)]
    assert [event.id for event, _ in arrivals] == ["", "abcdefgh:2", "abcdefgh:3", "abcdefgh:4"]
    assert (client.position, client.welcomed, client.closed) == ("abcdefgh:4", True, None)


def test_an_event_costs_its_promise_its_head_and_its_body() -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    client.feed(server.said())
    server.push("/rooms/lobby/pushed/2", chat(2))
    data = server.said()
    assert client.feed(data)[0][1] == len(data)


def test_a_body_in_parts_is_one_event() -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    promised = server.h2.get_next_available_stream_id()
    server.h2.push_stream(1, promised, [*REQUEST, (b":path", b"/rooms/lobby/pushed/2")])
    server.h2.send_headers(promised, [(b":status", b"200")])
    server.h2.send_data(promised, chat(2)[:9])
    assert [event.type for event, _ in client.feed(server.said())] == ["welcome"]
    server.h2.send_data(promised, chat(2)[9:])
    assert client.feed(server.said()) == []
    server.h2.end_stream(promised)
    ((event, wire_bytes),) = client.feed(server.said())
    assert event.id == "abcdefgh:2"
    assert wire_bytes > len(chat(2)) + 4 * FRAME_HEAD_BYTES


@pytest.mark.parametrize(
    ("path", "status", "complaint"),
    [("/rooms/lobby/pushed/3", 200, "was promised, and event"), ("/rooms/lobby/pushed/2", 404, "answered 404")],
)
def test_a_promise_that_is_not_kept_breaks_the_protocol(path: str, status: int, complaint: str) -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    server.push(path, chat(2), status)
    with pytest.raises(ProtocolError, match=complaint):
        client.feed(server.said())


def test_a_promise_that_is_taken_back_is_no_event() -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    promised = server.h2.get_next_available_stream_id()
    server.h2.push_stream(1, promised, [*REQUEST, (b":path", b"/rooms/lobby/pushed/2")])
    server.h2.reset_stream(promised)
    server.h2.send_data(1, b'{"type":"error","code":"slow_consumer","retryAfterMs":7}\n', end_stream=True)
    assert [event.type for event, _ in client.feed(server.said())] == ["welcome", "error"]
    assert (client.told_gaps, client.retry_ms, client.closed) == (1, 7, Closed(0, "stream ended by the server"))


def test_only_the_client_of_pushes_takes_them() -> None:
    takes = {client: Server(client(ACCESS)).settings[SettingCodes.ENABLE_PUSH] for client in CLIENTS}
    assert takes == {Http2PushClient: 1, Http2SseClient: 0, Http2PublishClient: 0}
    server = Server(Http2SseClient(ACCESS))
    with pytest.raises(H2Error):
        server.push("/x", b"")


CLIENTS: tuple[type[Http2Client], ...] = (Http2PushClient, Http2SseClient, Http2PublishClient)


def test_requests_carry_bearer_and_where_to_resume() -> None:
    pushed = Server(Http2PushClient(ACCESS, "abcdefgh:4")).requests[1]
    assert pushed[b":path"] == b"/rooms/lobby/push?since=abcdefgh:4"
    assert pushed[b"authorization"] == b"Bearer " + ACCESS.token.encode()
    assert pushed[b":authority"] == ACCESS.endpoint.authority.encode()
    assert Server(Http2PushClient(ACCESS)).requests[1][b":path"] == b"/rooms/lobby/push"
    streamed = Server(Http2SseClient(ACCESS, "abcdefgh:4")).requests[1]
    assert (streamed[b":path"], streamed[b"last-event-id"]) == (b"/rooms/lobby/events", b"abcdefgh:4")


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (429, True), (503, True)])
@pytest.mark.parametrize("make", [Http2PushClient, Http2SseClient])
def test_a_refusal_closes_with_its_status(make: type[Http2Client], status: int, retryable: bool) -> None:
    client = make(ACCESS)
    server = Server(client)
    server.head(status=status, content_type=b"application/json")
    server.h2.send_data(1, b'{"type":"error","code":"x"}\n', end_stream=True)
    client.feed(server.said())
    assert client.closed is not None
    assert (client.closed.code, client.closed.retryable) == (status, retryable)


def test_an_event_stream_is_read_from_data_frames() -> None:
    client = Http2SseClient(ACCESS)
    server = Server(client)
    server.head(content_type=b"text/event-stream; charset=utf-8")
    block = b"id: abcdefgh:2\ndata: %b\n\n" % chat(2)
    server.h2.send_data(1, b"retry: 1500\ndata: %b\n" % WELCOME)
    server.h2.send_data(1, block[:20])
    server.h2.send_data(1, block[20:])
    welcome, (event, wire_bytes) = client.feed(server.said())
    assert (welcome[0].type, event.id, client.retry_ms) == ("welcome", "abcdefgh:2", 1500)
    assert wire_bytes == len(block) + 2 * FRAME_HEAD_BYTES
    server.h2.end_stream(1)
    client.feed(server.said())
    assert client.closed == Closed(0, "stream ended by the server")


def test_what_is_no_event_stream_breaks_the_protocol() -> None:
    client = Http2SseClient(ACCESS)
    server = Server(client)
    server.head(content_type=b"text/html")
    with pytest.raises(ProtocolError, match="expected text/event-stream"):
        client.feed(server.said())


def test_posts_are_answered_in_any_order_and_keep_their_refs() -> None:
    client = Http2PublishClient(ACCESS)
    server = Server(client)
    for ref in ("1.0", "1.1", "1.2", "1.3"):
        server.receive(client.publish("hello", ref))
    first, second, third, fourth = sorted(server.requests)
    assert server.requests[first][b":path"] == b"/rooms/lobby/messages"
    assert client.unanswered == 4
    server.head(third, 202, b"application/json")
    server.h2.send_data(third, b'{"id":"abcdefgh:5"}', end_stream=True)
    server.head(first, 429, b"application/json")
    server.h2.send_data(first, b'{"type":"error","code":"rate_limited"}', end_stream=True)
    server.h2.reset_stream(second, ErrorCodes.REFUSED_STREAM)
    server.h2.reset_stream(fourth, ErrorCodes.INTERNAL_ERROR)  # says nothing of what became of the message
    answers = [event for event, _ in client.feed(server.said())]
    assert [(event.type, event.ref, event.id, event.code) for event in answers] == [
        ("ack", "1.2", "abcdefgh:5", ""),
        ("error", "1.0", "", "rate_limited"),
        ("error", "1.1", "", "reset"),
    ]
    assert client.unanswered == 0


def test_what_is_not_http2_breaks_the_protocol() -> None:
    client = Http2PushClient(ACCESS)
    client.opening()
    with pytest.raises(ProtocolError, match="HTTP/2"):
        client.feed(bytes((0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)))  # RST_STREAM of the connection itself


def test_the_end_of_the_connection_is_reported_with_its_reason() -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    server.h2.close_connection()
    client.feed(server.said())
    assert client.closed == Closed(0, "the server ended the connection (NO_ERROR)")


def test_a_long_life_keeps_no_streams_that_are_over() -> None:
    client = Http2PushClient(ACCESS)
    server = pushing(client)
    for offset in range(2, 400):
        server.push(f"/rooms/lobby/pushed/{offset}", chat(offset))
        client.feed(server.said())
        server.receive(client.take_outgoing())
    assert len(client._h2.streams) < 100
