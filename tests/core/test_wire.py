"""The codec: what is accepted, at both sides of every limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from core import wire
from core.errors import BadRequest, RoomError, TooLarge

scalars = st.characters(exclude_categories=["Cs"])
allowed_content = (
    st.text(scalars, min_size=1, max_size=200)
    .filter(lambda text: not any(ord(char) < 32 and char not in "\t\n\r" for char in text))
    .filter(lambda text: not text.isspace())
)
refs = st.from_regex(r"\A[A-Za-z0-9_.:-]{1,64}\Z")


def chat(**fields: object) -> bytes:
    return json.dumps({"type": "chat", **fields}).encode()


@pytest.mark.parametrize(
    ("raw", "command"),
    [
        (b'{"type":"hello"}', wire.Hello()),
        (b'{"type":"hello","token":"t","since":"s"}', wire.Hello("t", "s")),
        (b'{"type":"chat","content":"hi"}', wire.Chat("hi")),
        (b' {"ref":"r:1.2-3_","content":"hi","type":"chat"} \n', wire.Chat("hi", "r:1.2-3_")),
        (b'{"type":"ping"}', wire.Ping()),
        (b'{"type":"ping","ref":"1"}', wire.Ping("1")),
        (b'{"type":"leave"}', wire.Leave()),
        (b'{"t\\u0079pe":"leave"}', wire.Leave()),
    ],
)
def test_commands_are_read(raw: bytes, command: wire.Command) -> None:
    assert wire.decode_command(raw) == command


@pytest.mark.parametrize(
    "content",
    [
        ":)",
        ":",
        " : ",
        '"',
        '":',
        '\\":',
        '{"type":"chat"}',
        '","content":"',
        "a\tb\nc",
        "a\r\nb\rc",
        "\x7f",
        "a\u2028b",
        "\U0001f600",
        "\ufeff",
        "x" * 4096,
        "\U0001f600" * 4096,
    ],
)
def test_content_is_kept_as_typed(content: str) -> None:
    assert wire.decode_command(chat(content=content)) == wire.Chat(content)
    assert wire.decode_chat_body(json.dumps({"content": content}, ensure_ascii=False).encode()) == wire.Chat(content)


@pytest.mark.parametrize(
    "content",
    ["", "x" * 4097, "\U0001f600" * 4097, " ", "\t\n \u00a0", "\0", "\r\n", "a\x0bb", "a\x0cb", "\x1b[2J", "\x1f"],
)
def test_content_outside_the_limits_is_refused_with_its_ref(content: str) -> None:
    for decode in (wire.decode_command, wire.decode_chat_body):
        with pytest.raises(BadRequest) as refusal:
            decode(chat(content=content, ref="r1"))
        assert refusal.value.ref == "r1"


@pytest.mark.parametrize("ref", ["a", ":", "A-z_0.9:", "x" * 64])
def test_ref_within_the_pattern_is_read(ref: str) -> None:
    assert wire.decode_command(chat(content="hi", ref=ref)) == wire.Chat("hi", ref)
    assert wire.decode_command(json.dumps({"type": "ping", "ref": ref}).encode()) == wire.Ping(ref)


@pytest.mark.parametrize("ref", ["", "x" * 65, "a b", "a\n", "é", "a/b", 1, None, True, ["a"]])
def test_ref_outside_the_pattern_is_refused(ref: object) -> None:
    for decode in (wire.decode_command, wire.decode_chat_body):
        with pytest.raises(BadRequest):
            decode(chat(content="hi", ref=ref))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"1",
        b'"chat"',
        b"[]",
        b"{}",
        b"{",
        b'{"type":"chat"}',
        b'{"type":"shout","content":"hi"}',
        b'{"type":null,"content":"hi"}',
        b'{"type":1}',
        b'{"content":"hi"}',
        b'{"type":"chat","content":1}',
        b'{"type":"chat","content":null}',
        b'{"type":"chat","content":NaN}',
        b'{"type":"chat","content":Infinity}',
        b'{"type":"chat","content":1e999}',
        b'{"type":"chat","content":"hi","x":1}',
        b'{"type":"chat","content":"hi","Content":"hi"}',
        b'{"type":"leave","ref":"a"}',
        b'{"type":"leave"} {"type":"leave"}',
        b'{"type":"leave",}',
        b"\xef\xbb\xbf" + b'{"type":"leave"}',
        b'{"type":"chat","content":"\xff"}',
        b'{"type":"chat","content":"\xed\xa0\x80"}',
        b'{"type":"chat","content":"a\\ud800"}',
        b'{"type":"chat","content":"\\ud800b"}',
        b'{"type":"chat","content":"\\udc00\\ud800"}',
        b'{"type":"chat","content":"a\nb"}',
        b'{"type":"chat","content":"hi","type":"chat"}',
        b'{"type":"ping","type":"chat","content":"hi"}',
        b'{"type":"chat","content":"a","content":"b"}',
        b'{"type":"chat","content":"a","c\\u006fntent" \t:"b"}',
        b'{"type":"hello","token":"a","token":"a"}',
        b"[" * 16_000,
        b'{"type":' * 3_000,
        b'{"type":"chat","content":' + b"[" * 16_000,
    ],
)
def test_what_is_no_command_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        wire.decode_command(raw)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b'{"content":"hi"}', wire.Chat("hi")),
        (b'{"content":"hi","type":"chat"}', wire.Chat("hi")),
        (b'{"content":"hi","ref":"7"}', wire.Chat("hi", "7")),
    ],
)
def test_posted_chat_may_leave_its_type_out(raw: bytes, body: wire.Chat) -> None:
    assert wire.decode_chat_body(raw) == body


@pytest.mark.parametrize(
    "raw",
    [b'{"content":"a","type":"ping"}', b'{"content":"a","content":"a"}', b'{"content":"a","user":"b"}', b"content=a"],
)
def test_posted_body_that_is_no_chat_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        wire.decode_chat_body(raw)


def test_token_body_is_read_and_a_repeated_token_refused() -> None:
    assert wire.decode_token_body(b'{"token":":a.b.c"}') == ":a.b.c"
    for raw in (b'{"token":"a","token":"a"}', b'{"token":1}', b"{}", b'{"token":"a","room":"b"}', b"\xff"):
        with pytest.raises(BadRequest):
            wire.decode_token_body(raw)


def test_handshake_is_read_and_anything_beside_it_refused() -> None:
    assert wire.decode_handshake(b'{"room":"a","token":"t"}') == wire.Handshake("a", "t")
    assert wire.decode_handshake(b'{"since":"s","room":"a"}').since == "s"
    for raw in (b"{}", b'{"token":"t"}', b'{"room":1}', b'{"room":"a","room":"a"}', b'{"room":"a","user":"b"}', b"[]"):
        with pytest.raises(BadRequest):
            wire.decode_handshake(raw)


def test_exactly_the_size_limit_passes() -> None:
    wire.check_size(b"x" * 100, 100)
    with pytest.raises(TooLarge, match="101 bytes: at most 100"):
        wire.check_size(b"x" * 101, 100)


@given(content=allowed_content, ref=st.none() | refs, ascii_only=st.booleans())
@example(content=":)", ref=":", ascii_only=True)
def test_any_allowed_chat_comes_through(content: str, ref: str | None, ascii_only: bool) -> None:
    fields = {"type": "chat", "content": content} | ({} if ref is None else {"ref": ref})
    raw = json.dumps(fields, ensure_ascii=ascii_only).encode()
    assert wire.decode_command(raw) == wire.Chat(content, UNSET if ref is None else ref)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
near_commands = st.dictionaries(
    st.sampled_from(["type", "content", "ref", "token", "since"]) | st.text(max_size=5),
    st.sampled_from(["chat", "hello", "ping", "leave"]) | json_values,
    max_size=4,
)
hostile = (
    st.binary(max_size=200)
    | (near_commands | json_values).map(lambda value: json.dumps(value).encode())
    | st.tuples(
        near_commands.map(lambda value: json.dumps(value).encode()), st.integers(0, 99), st.binary(max_size=4)
    ).map(lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :])
)


@given(raw=hostile)
def test_any_bytes_are_a_command_or_a_room_error(raw: bytes) -> None:
    decoders: tuple[Callable[[bytes], Any], ...] = (
        wire.decode_command,
        wire.decode_chat_body,
        wire.decode_token_body,
    )
    refused: set[str] = set()
    for decode in decoders:
        try:
            decoded = decode(raw)
        except RoomError as refusal:
            refused.add(json.loads(wire.error(refusal))["code"])
        else:
            assert isinstance(decoded, wire.Hello | wire.Chat | wire.Ping | wire.Leave | str)
    assert refused <= {"bad_request"}


def test_absent_field_is_none() -> None:
    assert wire.optional(UNSET) is None
    assert wire.optional("") == ""
