"""The HTTP/2 clients with an upstream half: POSTs as further streams of the connection that the events come on."""

from __future__ import annotations

import msgspec
from h2.events import Event

from loadtests.load.clients.http2 import Http2Client
from loadtests.load.clients.http2_push import Http2PushClient
from loadtests.load.clients.http2_sse import Http2SseClient


class Upstream(Http2Client):
    """Mixed into a receiving client. It keeps the answers to its POSTs from the half that receives."""

    __slots__ = ()

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST on the same connection."""
        body = msgspec.json.encode({"content": content, "ref": ref})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        stream_id = self.request(b"POST", f"/rooms/{self.access.room}/messages", headers, ends=False)
        self._h2.send_data(stream_id, body, end_stream=True)
        return self._h2.data_to_send()

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes; return what they say of the first stream and of those that the server began."""
        # A client's streams have odd numbers, the first one is 1 (RFC 9113 section 5.1.1).
        return [event for event in super().receive(data) if not _is_later_request(getattr(event, "stream_id", None))]


class DuplexPushClient(Upstream, Http2PushClient):
    """HTTP/2 push, publishing beside it."""

    __slots__ = ()


class DuplexSseClient(Upstream, Http2SseClient):
    """SSE over HTTP/2, publishing beside it."""

    __slots__ = ()


def _is_later_request(stream_id: int | None) -> bool:
    return stream_id is not None and stream_id > 1 and stream_id % 2 == 1
