"""The plain fan-out: everybody gets every frame once, in order; who leaves too much unread is named. And the seam."""

from __future__ import annotations

from core.backplane.base import Lease
from core.fanout import Fanout
from core.model import Event, Framing, Position, Principal, RoomId, UserId
from core.stats import Stats
from core.subscription import Subscription
from tests.core.instances import ROOM, frame, gist, instance, waiting

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "tab")


def subscriber(fanout: Fanout, outbox_bytes: int = 1 << 20) -> Subscription:
    made = Subscription(ALICE, LEASE, "test", frame, outbox_bytes, Stats())
    fanout.add(made)
    return made


def push(fanout: Fanout, *offsets: int) -> list[Subscription]:
    events = [Event(Position("epoch0001", offset), b"%d" % offset, "chat") for offset in offsets]
    return [slow for event in events for slow in fanout.push(event)]


def test_everybody_gets_every_frame_in_order_from_when_it_came() -> None:
    fanout = Fanout(frame)
    one = subscriber(fanout)
    assert push(fanout, 1) == []
    two = subscriber(fanout)
    push(fanout, 2, 3)
    assert one.take_now() == [b"1\n", b"2\n", b"3\n"]
    assert two.take_now() == [b"2\n", b"3\n"]
    assert fanout.pending == 0


def test_a_frame_is_one_object_for_all() -> None:
    fanout = Fanout(frame)
    one, two = subscriber(fanout), subscriber(fanout)
    push(fanout, 1)
    assert one.take_now()[0] is two.take_now()[0]


def test_who_was_removed_gets_nothing_more() -> None:
    fanout = Fanout(frame)
    one, two = subscriber(fanout), subscriber(fanout)
    fanout.remove(one)
    fanout.remove(one)  # harmless
    push(fanout, 1)
    assert (list(fanout), len(fanout), one in fanout) == ([two], 1, False)
    assert one.take_now() == []


def test_those_whose_outbox_is_full_are_named() -> None:
    fanout = Fanout(frame)
    slow, quick = subscriber(fanout, outbox_bytes=1), subscriber(fanout)
    assert push(fanout, 1, 2) == [slow]
    assert quick.take_now() == [b"1\n", b"2\n"]


async def test_another_fan_out_is_plugged_in_by_who_joins_first_in_its_framing() -> None:
    made: list[Fanout] = []

    class Counting(Fanout):
        pass

    def new_fanout(framing: Framing) -> Fanout:
        made.append(Counting(framing))
        return made[-1]

    async with instance() as one:
        for user in ("alice", "bob"):
            subscription = Subscription(
                one.who(user), one.hub.lease(one.who(user), ROOM, poller=False), "test", frame, 1 << 20, one.hub.stats
            )
            await one.hub.join(subscription, None, new_fanout)
        await one.say("hello")
        assert gist(waiting(subscription)) == ["user_joined bob", "hello"]
    assert [len(each) for each in made] == [2]
