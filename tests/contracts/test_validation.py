"""What a chat may contain, as a frame and as a body: both sides of every limit, and every kind of bad JSON."""

from __future__ import annotations

import html
import json

import pytest

from tests.contracts.kit.clients import RefusedError
from tests.contracts.kit.limits import CONTENT_MAX_SCALARS, FRAME_MAX_BYTES, REF_MAX_CHARS
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.senders import SENDER_TARGETS, RawSender, sender_of
from tests.contracts.targets import Connect, Target

pytestmark = pytest.mark.parametrize("target", SENDER_TARGETS, ids=str)


def chat(**fields: object) -> bytes:
    return json.dumps({"type": "chat", "content": "x"} | fields, ensure_ascii=False).encode()


def padded(size: int) -> bytes:
    """A good command of exactly `size` bytes: its content at its longest, the rest JSON white space."""
    command = chat(content="a" * CONTENT_MAX_SCALARS)
    return command[:-1] + b" " * (size - len(command)) + b"}"


ACCEPTED = {
    "content of one scalar": chat(content="x"),
    "content at the limit": chat(content="a" * CONTENT_MAX_SCALARS),
    "content at the limit, three bytes each": chat(content="€" * CONTENT_MAX_SCALARS),
    "astral scalars count once": chat(content="😀" * 4000),
    "escaped surrogate pair": b'{"type":"chat","content":"\\ud83d\\ude00"}',
    "tab and newline": chat(content="a\tb\nc"),
    "carriage returns": chat(content="a\r\nb\r\n\r\ndata: c\rd"),
    "white space around": chat(content="  x  "),
    "line separators": chat(content="a\u2028b\u2029c\u0085d"),
    "bidi, joiners, combining": chat(content="a\u202eb\u200dc\u0301"),
    "noncharacter": chat(content="\uffff"),
    "delete": chat(content="\x7f"),
    "byte order mark": chat(content="\ufeffx"),
    "ref of one": chat(ref="r"),
    "ref at the limit": chat(ref="r" * REF_MAX_CHARS),
    "ref with every kind of character": chat(ref="aZ0_.:-"),
    "white space between tokens": b' {\n"type" : "chat",\r\t"content":"x" } ',
    "escaped field name": b'{"type":"chat","\\u0063ontent":"x"}',
    "exactly 16 KiB": padded(FRAME_MAX_BYTES),
}

REFUSED = {
    "nothing": b"",
    "white space": b" ",
    "not JSON": b"hello",
    "cut off": b'{"type":"chat","content":"x"',
    "something after": b'{"type":"chat","content":"x"} x',
    "two objects": b'{"type":"chat","content":"x"}{"type":"chat","content":"x"}',
    "array": b"[]",
    "string": b'"x"',
    "number": b"1",
    "null": b"null",
    "single quotes": b"{'type':'chat','content':'x'}",
    "trailing comma": b'{"type":"chat","content":"x",}',
    "comment": b'{"type":"chat",/**/"content":"x"}',
    "deep nesting": b"[" * 8000 + b"]" * 8000,
    "deep nesting in a field": b'{"type":"chat","content":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "unknown type": chat(type="shout"),
    "type of an event": chat(type="ack"),
    "type not a string": chat(type=1),
    "unknown field": chat(extra=1),
    "userId": chat(userId="mallory"),
    "token in a chat": chat(token="x"),
    "no content": b'{"type":"chat"}',
    "content null": chat(content=None),
    "content a number": chat(content=1),
    "content an object": chat(content={}),
    "content empty": chat(content=""),
    "content a space": chat(content=" "),
    "content only white space": chat(content=" \t\r\n"),
    "content only Unicode white space": chat(content="\u3000\u00a0\u2003"),
    "content over the limit": chat(content="a" * (CONTENT_MAX_SCALARS + 1)),
    "ref null": chat(ref=None),
    "ref empty": chat(ref=""),
    "ref over the limit": chat(ref="r" * (REF_MAX_CHARS + 1)),
    "ref with a space": chat(ref="a b"),
    "ref with a newline at its end": chat(ref="a\n"),
    "ref not ASCII": chat(ref="é"),
    "ref of other digits": chat(ref="٣"),
    "ref a number": chat(ref=1),
    "duplicate content": b'{"type":"chat","content":"x","content":"y"}',
    "duplicate content, one escaped": b'{"type":"chat","content":"x","\\u0063ontent":"y"}',
    "duplicate type": b'{"type":"chat","type":"chat","content":"x"}',
    "NaN": b'{"type":"chat","content":NaN}',
    "Infinity": b'{"type":"chat","content":"x","ref":Infinity}',
    "minus Infinity": b'{"type":"chat","content":"x","ref":-Infinity}',
    "number out of range": b'{"type":"chat","content":1e999}',
    "number of many digits": b'{"type":"chat","content":' + b"9" * 5000 + b"}",
    "lone high surrogate": b'{"type":"chat","content":"\\ud800"}',
    "lone low surrogate": b'{"type":"chat","content":"a\\udc00b"}',
    "surrogates the wrong way round": b'{"type":"chat","content":"\\udc00\\ud800"}',
    "lone surrogate in a ref": b'{"type":"chat","content":"x","ref":"\\ud800"}',
    "raw newline in a string": b'{"type":"chat","content":"a\nb"}',
}
REFUSED |= {
    f"control U+{code:04X}": chat(content=f"a{chr(code)}b") for code in range(0x20) if chr(code) not in "\t\n\r"
}


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    """Without the rate limit: the table of refusals is longer than a burst."""
    return servers.shared(target.server, {"RATE": "0"})


@pytest.fixture
async def sender(server: ServerProcess, connect: Connect) -> RawSender:
    return sender_of(await connect("alice"))


@pytest.mark.parametrize("raw", tuple(ACCEPTED.values()), ids=tuple(ACCEPTED))
async def test_accepted(connect: Connect, sender: RawSender, raw: bytes) -> None:
    bob = await connect("bob")
    reply = await sender.submit(raw)
    assert reply.code is None
    event = await bob.next_chat()
    sent = json.loads(raw)
    assert event.id == reply.position
    assert html.unescape(event.text("content")) == sent["content"]
    assert event.ref == sent.get("ref")


async def test_refused(connect: Connect, sender: RawSender) -> None:
    """One room for the whole table: refusals leave no trace in it, and a good one in between still passes."""
    bob = await connect("bob")
    for name, raw in REFUSED.items():
        assert (await sender.submit(raw)).code == "bad_request", name
        assert (await sender.submit(chat(content=name))).code is None, f"a good command after {name}"
        assert (await bob.next_chat()).text("content") == html.escape(name)


async def test_error_names_what_is_wrong(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    with pytest.raises(RefusedError) as refused:
        await alice.publish("x" * (CONTENT_MAX_SCALARS + 1), "my-ref")
    message = refused.value.error.text("message")
    assert str(CONTENT_MAX_SCALARS) in message, "the limit is not named"
