"""Writing at once: the first step of a send runs where the frame comes, the rest in the subscriber's own task."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.errors import ShuttingDown, SlowConsumer
from core.fanout import Fanout
from core.subscription import Subscription
from core.writer import SENT, Turns
from tests.core.instances import frame, settled
from tests.core.test_fanout import push, subscriber


class Peer:
    """Takes frames; where it is stalled it takes the next ones when it is released."""

    def __init__(self) -> None:
        self.writes: list[list[Any]] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.failure: Exception | None = None
        self._ready = asyncio.Event()
        self._ready.set()

    @property
    def taken(self) -> list[Any]:
        return [frame for frames in self.writes for frame in frames]

    def stall(self) -> None:
        self._ready.clear()

    def release(self) -> None:
        self._ready.set()

    def fail(self, frames: list[Any]) -> Coroutine[Any, Any, None]:
        assert self.failure is not None
        raise self.failure

    async def write(self, frames: list[Any]) -> None:
        self.tasks.append(asyncio.current_task())
        await self._ready.wait()
        if self.failure is not None:
            raise self.failure
        self.tasks.append(asyncio.current_task())
        self.writes.append(frames)


@asynccontextmanager
async def poured(
    subscription: Subscription, peer: Peer, turns: Turns | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    pouring = asyncio.ensure_future(subscription.pour(peer.write, turns))
    await settled()
    try:
        yield pouring
    finally:
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)


async def test_a_peer_that_takes_it_has_it_before_push_returns() -> None:
    fanout, peer = Fanout(frame), Peer()
    one = subscriber(fanout)
    async with poured(one, peer):
        assert push(fanout, 1, 2) == []
        assert peer.writes == [[b"1\n"], [b"2\n"]]
        assert one._stats.deliveries["test"] == 2


async def test_what_comes_while_a_send_hangs_waits_in_order() -> None:
    fanout, peer = Fanout(frame), Peer()
    one, other, quick = subscriber(fanout), subscriber(fanout), Peer()
    async with poured(one, peer), poured(other, quick):
        push(fanout, 1)
        peer.stall()
        push(fanout, 2, 3)
        await settled()
        push(fanout, 4)
        assert (peer.taken, quick.taken) == ([b"1\n"], [b"1\n", b"2\n", b"3\n", b"4\n"])
        peer.release()
        await settled()
        push(fanout, 5)
        assert peer.taken == [b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"]
        assert one._stats.deliveries["test"] == 5


async def test_a_send_runs_in_its_subscribers_task_and_context_throughout() -> None:
    fanout, peer = Fanout(frame), Peer()
    whose = contextvars.ContextVar("whose", default="publisher's")
    seen: list[str] = []

    async def write(frames: list[Any]) -> None:
        seen.append(whose.get())
        async with asyncio.timeout(60):  # is bound to the task that begins it, and must end in it
            await peer.write(frames)
        seen.append(whose.get())

    async def pour() -> None:
        whose.set("subscriber's")
        await subscriber_of.pour(write)

    subscriber_of = subscriber(fanout)
    pouring = asyncio.ensure_future(pour())
    await settled()
    me = asyncio.current_task()
    push(fanout, 1)
    peer.stall()
    push(fanout, 2)
    assert asyncio.current_task() is me
    await settled()
    peer.release()
    await settled()
    assert peer.taken == [b"1\n", b"2\n"]
    assert set(peer.tasks) == {pouring}
    assert set(seen) == {"subscriber's"}
    pouring.cancel()


async def test_a_send_that_has_sent_needs_no_step() -> None:
    fanout, peer = Fanout(frame), Peer()
    full: list[bool] = []

    def write(frames: list[Any]) -> Coroutine[Any, Any, None]:
        if full:
            return peer.write(frames)
        peer.writes.append(frames)
        return SENT

    one = subscriber(fanout)
    pouring = asyncio.ensure_future(one.pour(write))
    await settled()
    push(fanout, 1, 2)
    assert peer.writes == [[b"1\n"], [b"2\n"]]
    full.append(True)
    peer.stall()
    push(fanout, 3, 4)
    full.clear()
    peer.release()
    await settled()
    push(fanout, 5)
    assert peer.taken == [b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"]
    assert one._stats.deliveries["test"] == 5
    pouring.cancel()


async def test_what_has_been_sent_is_awaited_like_any_coroutine() -> None:
    assert asyncio.iscoroutine(SENT)
    for _ in range(2):
        await SENT
        await asyncio.create_task(SENT)
        await asyncio.wait_for(SENT, 1)
    cancelled = asyncio.create_task(SENT)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    SENT.close()


async def test_several_sends_may_wait_for_one_future() -> None:
    fanout, ready = Fanout(frame), asyncio.get_running_loop().create_future()
    taken: list[Any] = []

    async def write(frames: list[Any]) -> None:
        await ready
        taken.extend(frames)

    pouring = [asyncio.ensure_future(subscriber(fanout).pour(write)) for _ in range(2)]
    await settled()
    push(fanout, 1)
    await settled()
    ready.set_result(None)
    await settled()
    assert taken == [b"1\n", b"1\n"]
    for each in pouring:
        each.cancel()


@pytest.mark.parametrize("when", ["before its first step", "at once", "later"])
async def test_a_send_that_fails_fails_its_subscriber_alone(when: str) -> None:
    fanout, broken, sound = Fanout(frame), Peer(), Peer()
    one, other = subscriber(fanout), subscriber(fanout)
    if when == "before its first step":
        broken.write = broken.fail  # type: ignore[method-assign]
    async with poured(one, broken) as pouring, poured(other, sound):
        broken.failure = OSError("gone")
        if when == "later":
            broken.stall()
        assert push(fanout, 1) == []
        await settled()
        broken.release()
        await settled()
        with pytest.raises(OSError, match="gone"):
            pouring.result()
        assert sound.taken == [b"1\n"]


async def test_who_does_not_read_is_cut_while_its_send_hangs() -> None:
    fanout, peer = Fanout(frame), Peer()
    one = subscriber(fanout, outbox_bytes=2)
    given_up: list[bool] = []
    one.given_up = lambda: given_up.append(True)
    async with poured(one, peer) as pouring:
        peer.stall()
        assert push(fanout, 1, 2, 3, 4) == [one]
        one.cut()
        await settled()
        assert (given_up, pouring.done()) == ([True], False)
        peer.release()
        await settled()
        assert peer.taken == [b"1\n"]
        with pytest.raises(SlowConsumer):
            pouring.result()


async def test_what_waits_is_written_before_the_end() -> None:
    fanout, peer = Fanout(frame), Peer()
    one = subscriber(fanout)
    async with poured(one, peer) as pouring:
        peer.stall()
        push(fanout, 1, 2)
        one.end(ShuttingDown("soon"))
        peer.release()
        await settled()
        assert peer.taken == [b"1\n", b"2\n"]
        with pytest.raises(ShuttingDown):
            pouring.result()


@pytest.mark.parametrize("taken_up", [False, True])
async def test_cancelling_cancels_the_send_that_hangs(taken_up: bool) -> None:
    """Also when the subscriber's task has not come to go on with it."""
    fanout = Fanout(frame)
    ended: list[list[Any]] = []

    async def write(frames: list[Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(frames)
            raise

    one = subscriber(fanout)
    pouring = asyncio.ensure_future(one.pour(write))
    await settled()
    push(fanout, 1)
    if taken_up:
        await settled()
    pouring.cancel()
    await settled()
    assert pouring.cancelled()
    assert ended == [[b"1\n"]]


async def test_with_turns_what_follows_in_a_turn_is_one_write() -> None:
    fanout, peer, turns = Fanout(frame), Peer(), Turns()
    one = subscriber(fanout)
    async with poured(one, peer, turns):
        push(fanout, 1, 2, 3)
        assert peer.writes == [[b"1\n"]]
        await settled()
        assert peer.writes == [[b"1\n"], [b"2\n", b"3\n"]]
        push(fanout, 4)
        assert peer.writes[2:] == [[b"4\n"]]
        one.end()
        await settled()


async def test_with_turns_an_end_does_not_overtake() -> None:
    fanout, peer, turns = Fanout(frame), Peer(), Turns()
    one = subscriber(fanout)
    async with poured(one, peer, turns) as pouring:
        push(fanout, 1, 2)
        one.end()
        await settled()
        assert peer.taken == [b"1\n", b"2\n"]
        assert pouring.done()


async def test_at_the_end_of_a_turn_nothing_overtakes_what_waits() -> None:
    fanout, turns = Fanout(frame), Turns()

    async def write(frames: list[Any]) -> None:
        if b"2\n" in frames:
            push(fanout, 3)

    async with poured(subscriber(fanout), Peer(), turns):
        pouring = asyncio.ensure_future(subscriber(fanout).pour(write, turns))
        last = Peer()
        async with poured(subscriber(fanout), last, turns):
            push(fanout, 1, 2)
            await settled()
            assert last.taken == [b"1\n", b"2\n", b"3\n"]
        pouring.cancel()
