"""Reading connections beside their transports: what is read, of whom, and what is left to the transport."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.transports.ends import Ends
from transports.direct.epoll_reader import EpollReader, read_each

Heard = list[tuple[str, bytes]]

loops = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
linux = pytest.mark.skipif(sys.platform != "linux", reason="epoll is there on Linux only")
Run = Callable[[Coroutine[Any, Any, None]], None]


def listening() -> tuple[Heard, EpollReader[str]]:
    received: Heard = []
    return received, EpollReader(lambda who, said: received.extend(zip(who, said, strict=True)))


async def until(received: Heard, count: int) -> None:
    for _ in range(5000):
        if len(received) >= count:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(received)


def test_whoever_says_nothing_keeps_nobody_from_being_read(ends: Callable[[int], Ends]) -> None:
    pairs = ends(4)
    silent, closed, ended, speaker = pairs.descriptors
    pairs.ours[1].close()
    pairs.theirs[2].close()
    pairs.theirs[3].sendall(b"last")
    select.select([speaker], [], [], 5.0)
    assert read_each([silent, closed, ended, speaker]) == [b"", b"", b"", b"last"]
    assert read_each([]) == []


@linux
@loops
def test_all_who_send_are_read_together_each_time_they_do(run: Run, ends: Callable[[int], Ends]) -> None:
    async def main() -> None:
        received, reader = listening()
        pairs = ends(2)
        one, other = pairs.descriptors
        pairs.theirs[1].sendall(b"already there")
        assert reader.add(one, "one")
        assert reader.add(other, "other")
        assert len(reader) == 2
        await until(received, 1)
        assert received == [("other", b"already there")]
        pairs.theirs[0].sendall(b"1")
        pairs.theirs[1].sendall(b"2")
        await until(received, 3)
        assert sorted(received[1:]) == [("one", b"1"), ("other", b"2")]
        pairs.theirs[0].sendall(b"3")
        await until(received, 4)
        assert received[3] == ("one", b"3")
        reader.discard(one)
        reader.discard(other)
        assert len(reader) == 0

    run(main())


@linux
@loops
@pytest.mark.parametrize(
    "end", [lambda pairs: pairs.theirs[0].close(), lambda pairs: pairs.reset(0)], ids=["end", "reset"]
)
def test_an_end_is_read_once_and_is_still_there_for_the_transport(
    run: Run, end: Callable[[Ends], None], ends: Callable[[int], Ends]
) -> None:
    async def main() -> None:
        received, reader = listening()
        pairs = ends(1)
        (one,) = pairs.descriptors
        reader.add(one, "one")
        end(pairs)
        await until(received, 1)
        await asyncio.sleep(0.05)
        assert received == [("one", b"")]
        reader.discard(one)
        assert pairs.ours[0].recv(1) == b""

    run(main())


@linux
@loops
def test_who_is_discarded_is_read_no_more_and_its_number_is_free_for_another(
    run: Run, ends: Callable[[int], Ends]
) -> None:
    async def main() -> None:
        received, reader = listening()
        pairs = ends(2)
        one, other = pairs.descriptors
        reader.add(one, "one")
        pairs.theirs[0].sendall(b"not read yet")
        reader.discard(one)
        reader.discard(one)  # harmless
        await asyncio.sleep(0.05)
        assert received == []
        os.dup2(other, one)
        reader.add(one, "other by the same number")
        pairs.theirs[1].sendall(b"mine")
        await until(received, 1)
        assert received == [("other by the same number", b"mine")]
        reader.discard(one)

    run(main())


@linux
@loops
def test_one_who_goes_while_others_are_read_is_read_as_itself(run: Run, ends: Callable[[int], Ends]) -> None:
    async def main() -> None:
        received: Heard = []
        pairs = ends(2)
        one, other = pairs.descriptors

        def receive(who: list[str], said: list[bytes]) -> None:
            received.extend(zip(who, said, strict=True))
            if len(who) == 2:
                reader.discard(other)

        reader: EpollReader[str] = EpollReader(receive)
        reader.add(one, "one")
        reader.add(other, "other")
        for end in pairs.theirs:
            end.sendall(b"both")
        await until(received, 2)
        pairs.theirs[1].sendall(b"not read")
        pairs.theirs[0].sendall(b"read")
        await until(received, 3)
        assert received[2] == ("one", b"read")
        reader.discard(one)

    run(main())


async def test_elsewhere_the_transport_reads(ends: Callable[[int], Ends], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    _, reader = listening()
    (one,) = ends(1).descriptors
    assert not reader.add(one, "one")
    reader.discard(one)
    assert len(reader) == 0
