"""What the client says to each server. Written from the servers' programs, not from the lab's adapters."""

from __future__ import annotations

from dataclasses import dataclass

MARK = b"own-client-"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Speech:
    """How one listens and publishes; `%s` in a body is the content."""

    path: str
    upgrade: bool = False  # to a WebSocket
    said: tuple[bytes, ...] = ()  # messages that join, once the WebSocket stands
    answered: bytes = b""  # what has to come after the first of them, before the next
    publish: str = ""  # the path of a POST; empty: over a WebSocket of the publisher's own
    kind: str = "text/plain"  # of what is posted
    body: bytes = b"%s"
    polls: bool = False  # each answer is followed by the next request
    sign: bytes = MARK  # stands once in each delivery


SPEECH = {
    "npm-ws": Speech("/?room=own", upgrade=True, body=b'{"type":"chat","content":"%s"}'),
    "socketio-ws": Speech(
        "/socket.io/?EIO=4&transport=websocket",
        upgrade=True,
        said=(b"40", b'42["join","own"]'),
        answered=b"40{",
        body=b'42["chat","own","%s"]',
    ),
    "sockjs-ws": Speech("/chat/websocket", upgrade=True, said=(b"own",)),
    "fastapi-ws": Speech("/rooms/own/ws", upgrade=True),
    "nginx-ws": Speech("/ws/own", upgrade=True, publish="/pub/own"),
    "nginx-sse": Speech("/sse/own", publish="/pub/own"),
    "express-sse": Speech(
        "/rooms/own/events", publish="/rooms/own/messages", kind="application/json", body=b'{"content":"%s"}'
    ),
    "tornado-lp": Speech(
        "/a/message/updates", publish="/a/message/new", kind=FORM, body=b"body=%s", polls=True, sign=b'"id": "'
    ),
}


def request(method: str, path: str, headers: str = "", body: bytes = b"") -> bytes:
    """Return an HTTP request; `headers` are whole lines, each ended by CRLF."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: own\r\n{headers}{length}\r\n".encode() + body


def frame(payload: bytes) -> bytes:
    """Return a masked text frame of less than 64 KiB; the mask is nought."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload
