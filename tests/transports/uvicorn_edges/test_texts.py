"""Texts that skip websockets' parser: with it or without, a client's bytes mean the same, however they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.transports.wire_end import WireEnd
from transports.uvicorn_edges import websocket

MAX_BYTES = 300


class Listener:
    """Holds a connection, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str | None] = []

    def receive(self, text: str | None) -> None:
        self.heard.append(text)

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def lost(self) -> None: ...


async def _accept(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    scope["extensions"]["rtlab.connection"]["protocol"].take_over(scope["state"]["listener"])


def frame(opcode: int, data: bytes, *, fin: bool = True, masked: bool = True, reserved: bool = False) -> bytes:
    """One frame, sound or not."""
    made = bytearray(Frame(Opcode(opcode), data, fin).serialize(mask=masked))
    made[0] |= 0x40 if reserved else 0
    return bytes(made)


def texts(*said: str) -> list[bytes]:
    return [frame(1, text.encode()) for text in said]


SAID = st.text(max_size=MAX_BYTES // 2).map(str.encode)
FRAMES = st.one_of(
    SAID.map(lambda data: frame(1, data)),
    SAID.map(lambda data: frame(1, data)),
    SAID.map(lambda data: frame(1, data[:9], fin=False) + frame(9, b"between") + frame(0, data[9:])),
    st.binary(max_size=MAX_BYTES + 9).map(lambda data: frame(1, data)),
    st.binary(max_size=20).map(lambda data: frame(2, data)),
    st.sampled_from((frame(9, b"ping"), frame(10, b"pong"), frame(8, b"\x03\xe8"))),
    st.sampled_from((frame(1, b"a", masked=False), frame(1, b"a", reserved=True), frame(0, b"a"))),
    SAID.map(lambda data: frame(1, data, fin=False)),
)


Outcome = tuple[list[str | None], bytes, list[str]]


async def outcome(pieces: Sequence[bytes], *, parsed: bool) -> Outcome:
    """What the holder hears, the client gets and the transport does; with `parsed`, by websockets alone."""
    end, listener = WireEnd(_accept, ws_max_size=MAX_BYTES), Listener()
    end.protocol.app_state["listener"] = listener
    try:
        await end.upgraded()
        with patch.object(websocket, "is_between_messages", _never) if parsed else nullcontext():
            for piece in pieces:
                if not end.transport.is_closing():
                    end.send(piece)
        return listener.heard, end.received(), end.transport.done
    finally:
        await end.end()


def _never(conn: object) -> bool:
    return False


@settings(max_examples=30)
@example([frame(1, b"\x80"), frame(1, b""), frame(8, b"\x03\xe8")], [])
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 600), max_size=6))
def test_the_short_way_hears_what_the_parser_hears(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frames)
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(stream)}), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(places)]

    async def all_ways() -> tuple[Outcome, Outcome, Outcome]:
        alike = await outcome(pieces, parsed=False), await outcome(pieces, parsed=True)
        return *alike, await outcome(frames, parsed=True)

    ours, parsed, alone = asyncio.run(all_ways())
    assert ours[1:] in (parsed[1:], alone[1:])  # of bytes that are not UTF-8, we do not wait for what stands behind
    # What stands before a broken frame in the same read is lost by the parser, and may be heard by us.
    assert parsed[0] == ours[0][: len(parsed[0])]
    assert ours[0] == alone[0][: len(ours[0])]


(ABC,) = texts("abc")
LONG = frame(1, b"a" * 70_000)
CASES = {
    "a text within a message of several frames": ([frame(1, b"a", fin=False), *texts("b")], []),
    "a text behind a message of several frames": (
        [frame(1, b"a", fin=False), frame(0, b"b"), *texts("c")],
        ["ab", "c"],
    ),
    "what looks like a text within a frame": ([frame(2, b"")[:1], b"\x91abcd", *texts("12345678901")], [None]),
    "a text behind a close frame": ([frame(8, b"\x03\xe8"), *texts("a")], []),
    "a text over the limit": (texts("a" * (MAX_BYTES + 1)), []),
    "a text with a length of eight bytes": ([LONG[:1000], LONG[1000:]], []),
    "a text that is not UTF-8": ([frame(1, b"\xff"), *texts("a")], []),
    "a text in two reads": ([ABC[:8], ABC[8:], *texts("d")], ["abc", "d"]),
    "a text that is not masked": ([frame(1, b"abcdefgh", masked=False), *texts("a")], []),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_no_plain_text_is_for_the_parser(case: str) -> None:
    pieces, heard = CASES[case]
    ours = await outcome(pieces, parsed=False)
    assert ours == await outcome(pieces, parsed=True)
    assert ours[0] == heard


@pytest.mark.parametrize("size", [0, 125, 126, MAX_BYTES])
async def test_a_plain_text_skips_the_parser(size: int) -> None:
    end, listener = WireEnd(_accept, ws_max_size=MAX_BYTES), Listener()
    end.protocol.app_state["listener"] = listener
    await end.upgraded()
    with patch.object(end.protocol.conn, "receive_data", side_effect=AssertionError("it was parsed")):
        end.send(b"".join(texts("a" * size, "é")))
    assert listener.heard == ["a" * size, "é"]
    await end.end()


async def test_a_text_that_is_not_utf_8_is_refused_before_the_close_frame_behind_it() -> None:
    said = [frame(1, b"\xff") + frame(8, b"\x03\xe8")]
    heard, written, _ = await outcome(said, parsed=False)
    assert (heard, written) == ([], b"\x88\x02\x03\xef")  # 1007
    heard, written, _ = await outcome(said, parsed=True)
    assert (heard, written) == ([], b"\x88\x02\x03\xe8")  # the parser has answered the peer's before we look
