"""Byte streams cut at any places."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from loadtests.load.clients.base import Access, Endpoint

ACCESS = Access(Endpoint("127.0.0.1", 8001), "lobby", "header.claims.signature")


def cut(stream: bytes, places: list[int]) -> Iterator[bytes]:
    """Yield the stream in pieces, cut at `places` (modulo its length)."""
    previous = 0
    for place in sorted({place % (len(stream) + 1) for place in places}):
        yield stream[previous:place]
        previous = place
    yield stream[previous:]


def every_byte(stream: bytes) -> Iterator[bytes]:
    """Yield the stream byte by byte."""
    return (stream[place : place + 1] for place in range(len(stream)))


places = st.lists(st.integers(0, 1_000_000), max_size=12)
