"""What to change in an adapter, by what a server answered or did not. Sentences only."""

from __future__ import annotations

from loadtests.load.clients.base import Closed
from loadtests.load.clients.foreign import contents, found
from loadtests.records.adapter import LONGPOLL, SSE, WEBSOCKET, Adapter
from loadtests.records.adapter_parts import BASE64, ESCAPED

SUBSCRIBE, PUBLISH = "subscribe", "publish"

OF_NOTHING = "the server ended the connection without a word: if it speaks TLS, give its address as https://"

_BY_STATUS = {
    400: "the server did not understand it: compare path, headers and body with what its own client sends",
    401: 'set headers = {{ Authorization = "Bearer {{token}}" }} in [{part}], and the token in RTLAB_TARGET_TOKEN',
    403: "the credentials are not enough, or an Origin or a CSRF token is missing: set headers in [{part}]",
    404: "there is nothing at that path: set path in [{part}]",
    405: 'it wants another method: set method = "PUT", say, in [{part}]',
    411: "it wants a body with a length",
    415: 'set headers = {{ Content-Type = "text/plain" }}, or what the server takes, in [{part}]',
    422: "the body is not what it expects: set body in [{part}]",
    426: 'it wants a WebSocket there: set protocol = "websocket"',
}
_PINGS = {b"2": "3", b"{}": "{}", b"h": "", b"ping": "pong"}


def of_closed(part: str, what: str, closed: Closed) -> str:
    """Return what to change where the connection ended; `what` was to be done."""
    code = closed.code
    if code == 1002:
        return _of_protocol(closed.reason)
    if 100 <= code < 600:
        return f"the server answered {code} to {what}: {_of_status(part, what, code)}"
    if code:
        return f"the server closed the WebSocket with {closed}: what it got last was not what it expects"
    return f"{what} failed: {closed}. Was what it got last what it expects? Its own log may say more"


def _of_status(part: str, what: str, code: int) -> str:
    if code in _BY_STATUS:
        return _BY_STATUS[code].format(part=part)
    if 200 <= code < 300:
        return f"no WebSocket is spoken at that path: set path in [{part}], or another protocol"
    if 300 <= code < 400:
        return f"it is somewhere else: set path in [{part}] to what its Location says"
    return "the server failed: its own log says why" if code >= 500 else "see what it said above"


def _of_protocol(reason: str) -> str:
    if "status line: b'\\x15" in reason:
        return f"the server speaks TLS: give its address as https:// ({reason})"
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
        return f"the server does not speak TLS: give its address as http:// ({reason})"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return f'set tls_verify = false, or tls_verify = "ca.pem" with the file of its CA ({reason})'
    if "expected text/event-stream" in reason:
        return f'that is no event stream: set path, or protocol = "{LONGPOLL}" ({reason})'
    return f"the server's bytes are not what the protocol allows: {reason}"


def of_silence(adapter: Adapter, lacks: str, came: list[bytes], within_s: float) -> str:
    """Return what to change where no welcome came."""
    if lacks:
        return f"{lacks} within {within_s:g} s: set that step's expect to what does come"
    if came:
        return f"no welcome within {within_s:g} s after what came above"
    return {
        WEBSOCKET: f"no answer to the upgrade within {within_s:g} s: set path in [subscribe]",
        SSE: f"no head of the stream within {within_s:g} s: if it comes with the first event, set late_head = true",
        LONGPOLL: f"no answer within {within_s:g} s: set probe_path to a path that is answered at once",
    }[adapter.protocol]


def of_unheard(adapter: Adapter, came: list[bytes], within_s: float) -> str:
    """Return what to change where the message was published and never received."""
    for encoding in (BASE64, ESCAPED):
        if encoding != adapter.subscribe.encoding and any(found(contents.decoded(encoding, data)) for data in came):
            return f'the message came, encoded: set encoding = "{encoding}" in [subscribe]'
    for data in came:
        if data.strip() in _PINGS and not adapter.subscribe.answer:
            said = data.strip().decode()
            return (
                f"only {said!r} came, which looks like a ping: set answer = {{ '^{said}$' = '{_PINGS[data.strip()]}' }}"
            )
    if came:
        last = came[-1][:200].decode("utf-8", "replace")
        return (
            f"nothing that came within {within_s:g} s held the message; the last was {last!r}: do publisher and "
            "subscriber name the same room, and does the server send the body's {content} on?"
        )
    return (
        f"nothing came within {within_s:g} s: the publication was taken, and the subscription got nothing. Does "
        "[subscribe] join the room that [publish] names? A join may need a step of its own"
    )
