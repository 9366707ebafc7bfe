"""Deliveries lost, late, repeated or of another epoch, and a store that goes away: repaired, or announced."""

from __future__ import annotations

import asyncio

from core.model import Event, Position
from core.settings import Settings
from tests.core.instances import ROOM, Follower, gist, instance, instances, settled, waiting

A_WHILE_S = 31.0  # after which an instance asks the store, and not its own memory, for what came since a position


async def test_store_lost_while_history_is_read_is_reported() -> None:
    async with instance() as one:
        left_at = await one.say("1")
        await one.say("2")
        await asyncio.sleep(A_WHILE_S)
        one.link.answering = asyncio.Event()
        joining = asyncio.create_task(one.join(since=left_at))
        await settled()
        one.link.store.lose()
        await one.say("new life")
        await settled()
        one.link.answering.set()
        alice = await joining
        await settled()
        follower = Follower(alice)
        follower.receive(waiting(alice))
        assert follower.resyncs or alice.start.resync == "epoch_changed"
        head, _ = await one.hub.members(ROOM)
        assert follower.position == head


async def test_jump_while_history_is_read_is_reported_and_no_gap_is_silent() -> None:
    async with instances(2, Settings(rate_per_s=0.0, history_events=3)) as (one, two):
        bystander = await two.join("bob")
        left_at = await one.say("1")
        await one.say("2")
        await asyncio.sleep(A_WHILE_S)
        two.link.answering = asyncio.Event()
        joining = asyncio.create_task(two.join("alice", left_at))
        await settled()
        answering, two.link.answering, two.link.held = two.link.answering, None, True
        for number in range(10):
            await one.say(str(number))
        two.link.in_flight = two.link.in_flight[-1:]
        two.link.held = False
        two.link.hand_on()
        await settled()
        answering.set()
        alice = await joining
        assert alice.start.resync is not None
        for follower in (Follower(alice), Follower(bystander)):
            follower.receive(waiting(follower.subscription))
            assert follower.position == (await one.hub.members(ROOM))[0]


async def test_position_received_elsewhere_first_is_not_delivered_again() -> None:
    async with instances(2) as (one, two):
        alice, bob = await one.join("alice"), await two.join("bob")
        waiting(bob)
        two.link.held = True
        for content in "12":
            received = await one.say(content)
        await one.hub.detach(alice)
        moved = await two.join("alice", since=received)
        two.link.held = False
        two.link.hand_on()
        await settled()
        assert moved.start.recovered
        assert gist(waiting(moved)) == ["user_left alice", "user_joined alice"]
        assert gist(waiting(bob)) == ["1", "2", "user_left alice", "user_joined alice"]


async def test_room_is_not_closed_under_one_who_waits_to_be_let_in() -> None:
    async with instance() as one:
        alice = await one.join()
        head, _ = await one.hub.members(ROOM)
        await one.hub.detach(alice)
        one.link.answering = asyncio.Event()
        joining = asyncio.create_task(one.join("bob", Position(head.epoch, head.offset + 5)))
        await asyncio.sleep(A_WHILE_S)
        one.link.answering.set()
        bob = await joining
        await one.say("received")
        assert gist(waiting(bob)) == ["user_joined bob", "received"]


async def test_hole_is_filled_from_history_in_order() -> None:
    async with instances(2) as (one, two):
        alice = await two.join()
        two.link.held = True
        for content in "1234":
            await one.say(content)
        lost, *late = two.link.in_flight
        two.link.in_flight = [late[2], late[0], late[2]]
        two.link.hand_on()
        await settled()
        assert gist(waiting(alice)) == ["user_joined alice", "1", "2", "3", "4"]
        two.link.in_flight = [lost, *late]
        two.link.hand_on()
        await settled()
        assert waiting(alice) == []


async def test_doubt_is_settled_by_a_look_into_history() -> None:
    async with instances(2) as (one, two):
        alice = await two.join()
        two.link.held = True
        await one.say("1")
        two.link.in_flight.clear()
        two.hub.may_have_missed(ROOM)
        await settled()
        assert gist(waiting(alice)) == ["user_joined alice", "1"]


async def test_doubt_of_a_room_that_nobody_follows_is_harmless() -> None:
    async with instance() as one:
        one.hub.may_have_missed(ROOM)
        one.hub.deliver(ROOM, Event(Position("epoch0009", 1), b"{}", "chat"))
        await settled()
        assert one.link.calls["history"] == 0


async def test_repair_waits_for_a_store_that_is_away() -> None:
    async with instances(2) as (one, two):
        alice = await two.join()
        two.link.held = two.link.away = True
        await one.say("1")
        two.link.in_flight.clear()
        two.hub.may_have_missed(None)
        await asyncio.sleep(5.0)
        assert gist(waiting(alice)) == ["user_joined alice"]
        assert 2 <= two.link.calls["history"] <= 6
        two.link.away = False
        await asyncio.sleep(2.0)
        assert gist(waiting(alice)) == ["1"]


async def test_instance_stops_while_the_store_is_away() -> None:
    async with asyncio.timeout(10.0):
        async with instance() as one:
            alice = await one.join()
            one.link.away = True
            one.hub.may_have_missed(None)
            await settled()
        assert alice.ended


async def test_lost_store_is_announced_to_live_streams() -> None:
    async with instance() as one:
        alice, bob = await one.join("alice"), await one.join("bob")
        waiting(alice)
        one.link.store.lose()
        position = await one.say("new life")
        await settled()
        assert position.epoch == "epoch0002"
        for subscription in (alice, bob):
            *_, resync, chat = waiting(subscription)
            assert resync == {"type": "resync", "reason": "epoch_changed", "position": "epoch0002:0"}
            assert (chat["id"], chat["content"]) == ("epoch0002:1", "new life")
        await one.say("2")
        assert gist(waiting(alice)) == ["2"]


async def test_store_that_went_back_is_a_new_life_to_live_streams() -> None:
    async with instance() as one:
        alice = await one.join()
        await one.say("1")
        waiting(alice)
        room = one.link.store.rooms._rooms[ROOM]
        room.stream._events.clear()
        room.stream._head = 0
        one.hub.may_have_missed(ROOM)
        await settled()
        assert waiting(alice) == [{"type": "resync", "reason": "epoch_changed", "position": "epoch0001:0"}]


async def test_gap_beyond_the_history_is_reported() -> None:
    async with instances(2, Settings(rate_per_s=0.0, history_events=3)) as (one, two):
        alice = await two.join()
        waiting(alice)
        two.link.held = True
        for number in range(10):
            await one.say(str(number))
        two.link.in_flight = two.link.in_flight[-1:]
        two.link.hand_on()
        await settled()
        resync, *rest = waiting(alice)
        head, _ = await one.hub.members(ROOM)
        assert (resync["reason"], resync["position"]) == ("history_evicted", f"{head.epoch}:{head.offset - 3}")
        assert gist(rest) == ["7", "8", "9"]  # all that is left
        two.link.held = False
        await one.say("next")
        assert gist(waiting(alice)) == ["next"]


async def test_late_delivery_from_an_earlier_life_is_dropped() -> None:
    async with instance() as one:
        alice = await one.join()
        one.link.store.lose()
        await one.say("new life")
        await settled()
        waiting(alice)
        reads = one.link.calls["history"]
        one.hub.deliver(ROOM, Event(Position("epoch0001", 2), b'{"late":1}', "chat"))
        await asyncio.sleep(0.5)
        assert one.link.calls["history"] <= reads + 2
        assert waiting(alice) == []
        await one.say("goes on")
        assert gist(waiting(alice)) == ["goes on"]


async def test_event_of_a_new_life_that_comes_during_a_repair_is_not_lost() -> None:
    async with instances(2) as (one, two):
        alice = await two.join()
        waiting(alice)
        two.link.held = True
        await one.say("dropped")
        two.link.in_flight.clear()
        two.link.answering = asyncio.Event()
        two.hub.may_have_missed(ROOM)
        await settled()
        one.link.store.lose()
        two.link.held = False
        await one.say("new life")
        await settled()
        two.link.answering.set()
        await settled()
        *_, resync, chat = waiting(alice)
        assert resync == {"type": "resync", "reason": "epoch_changed", "position": "epoch0002:0"}
        assert (chat["id"], chat["content"]) == ("epoch0002:1", "new life")
        await one.say("2")
        assert gist(waiting(alice)) == ["2"]
