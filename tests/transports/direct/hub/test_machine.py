"""Two hubs on one store behind a hostile network: every subscriber gets each offset once, in order, or a `resync`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from core.errors import SlowConsumer, Unavailable
from core.model import Event, Position, RoomId
from core.settings import Settings
from core.subscription import Subscription
from tests.core.instances import ROOM, Follower, Instance, decoded, now_s, run, settled, waiting
from tests.core.network import Link, Store
from tests.core.virtual_time import VirtualTimeLoop
from tests.transports.direct.sink import FakeSink, join_direct

T = TypeVar("T")

which = st.integers(0, 1)
pick = st.integers(0, 1_000_000)


class HubMachine(RuleBasedStateMachine):
    """Clients come, go and move between two instances while deliveries are late, lost, repeated and reordered, the
    store goes away and comes back empty, and answers hang. When all is well again, everybody must be up to date.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.contents: dict[str, str] = {}
        self.followers: list[tuple[Instance, Follower, FakeSink | None]] = []
        self.left_at: list[Position] = [Position("foreign00", 3)]
        self.joining: list[asyncio.Task[None]] = []
        self.said = 0
        self.unseen: set[int] = set()  # instances that lost a delivery which no later one will betray

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize(
        history_events=st.sampled_from([1000, 4]), outbox_bytes=st.sampled_from([1 << 20, 700]), held=st.booleans()
    )
    def begin(self, history_events: int, outbox_bytes: int, held: bool) -> None:
        self.history_events = history_events
        limits = Settings(
            rate_per_s=0.0,
            history_events=history_events,
            history_s=86_400.0,  # nothing is dropped by its age, so that it is known what a jump may leave out
            outbox_bytes=outbox_bytes,
            presence_ttl_s=30.0,
        )

        async def start() -> None:
            self.store = Store(limits, now_s)
            self.instances = [Instance(self.store, limits) for _ in range(2)]
            running, self.stop = asyncio.Semaphore(0), asyncio.Event()
            self.tasks = [asyncio.create_task(run(instance, running, self.stop)) for instance in self.instances]
            for _ in self.instances:
                await running.acquire()
            for at in range(2):  # both follow the room from the start
                await self.attach(at, "bystander", None, direct=bool(at))
            self.instances[1].link.held = held

        self.do(start())

    @rule(at=which, times=st.integers(1, 4))
    def say(self, at: int, times: int) -> None:
        async def say() -> None:
            for _ in range(times):
                await self.speak(at)

        self.do(say())

    async def speak(self, at: int) -> None:
        self.said += 1
        content = f"message {self.said}"
        with suppress(Unavailable):
            self.contents[str(await self.instances[at].say(content))] = content

    @rule(
        at=which,
        user=st.sampled_from(["alice", "bob"]),
        since=pick,
        ahead=st.sampled_from([0, 0, 0, 1, 9]),
        direct=st.booleans(),
    )
    def join(self, at: int, user: str, since: int, ahead: int, direct: bool) -> None:
        positions = [None, *self.left_at, *(follower.position for _, follower, _ in self.followers)]
        position = positions[since % len(positions)]
        if position is not None:
            position = Position(position.epoch, position.offset + ahead)

        async def begin() -> None:
            self.joining.append(asyncio.create_task(self.attach(at, user, position, direct)))
            await settled()

        self.do(begin())

    async def attach(self, at: int, user: str, position: Position | None, direct: bool) -> None:
        with suppress(Unavailable):
            subscription: Subscription
            sink = None
            if direct:
                subscription = await join_direct(self.instances[at], user, position)
                sink = FakeSink(subscription, room_for=3)
                sink.connect()
            else:
                subscription = await self.instances[at].join(user, position)
            if subscription.start.recovered:
                assert subscription.start.position == position
            self.followers.append((self.instances[at], Follower(subscription), sink))

    @precondition(lambda self: self.followers)
    @rule(who=pick, direct=st.booleans(), meanwhile=st.integers(0, 2), received=st.booleans())
    def move(self, who: int, direct: bool, meanwhile: int, received: bool) -> None:
        """Go on at the other instance, where the room may talk while the history is read."""
        instance, follower, _ = self.followers[who % len(self.followers)]
        self.leave(who, received)
        there = 1 - self.instances.index(instance)
        link = self.instances[there].link

        async def arrive() -> None:
            await asyncio.sleep(31.0 * meanwhile)  # long enough for the history to be asked
            hanging = link.answering = link.answering or asyncio.Event()
            self.joining.append(asyncio.create_task(self.attach(there, "mover", follower.position, direct)))
            await settled()
            for _ in range(meanwhile):
                await self.speak(there)
            hanging.set()
            link.answering = None
            await settled()

        self.do(arrive())

    @precondition(lambda self: self.followers)
    @rule(who=pick)
    def receive(self, who: int) -> None:
        self.listen(*self.followers[who % len(self.followers)][1:])

    def listen(self, follower: Follower, sink: FakeSink | None) -> None:
        delivered = (
            waiting(follower.subscription) if sink is None else decoded([line + b"\n" for line in sink.received()])
        )
        follower.receive(delivered)
        for event in delivered:
            if event["type"] == "chat":
                assert self.contents.get(event["id"], event["content"]) == event["content"]

    @precondition(lambda self: self.followers)
    @rule(who=pick)
    def take_and_give_up(self, who: int) -> None:
        _, follower, sink = self.followers[who % len(self.followers)]

        async def take() -> None:
            taking = asyncio.create_task(follower.subscription.take())
            await settled()
            if not taking.done():
                taking.cancel()
                await asyncio.wait([taking])
            elif taking.exception() is None:
                follower.receive(decoded(taking.result()))

        if sink is None:
            self.do(take())

    @precondition(lambda self: self.followers)
    @rule(who=pick, room_for=st.integers(1, 5))
    def drain(self, who: int, room_for: int) -> None:
        _, _, sink = self.followers[who % len(self.followers)]

        async def drain(full: FakeSink) -> None:
            full.drain(room_for)

        if sink is not None and sink.room_for == 0 and not sink.finished:
            self.do(drain(sink))

    @precondition(lambda self: self.followers)
    @rule(who=pick, received=st.booleans())
    def leave(self, who: int, received: bool) -> None:
        instance, follower, sink = self.followers.pop(who % len(self.followers))
        if received:  # else what waited for it is lost with its connection
            self.listen(follower, sink)
        self.left_at.append(follower.position)

        async def go() -> None:
            if sink is not None:
                sink.subscription.disconnect()
            await instance.hub.detach(follower.subscription)

        self.do(go())

    @rule(at=which, held=st.booleans())
    def hold_deliveries(self, at: int, held: bool) -> None:
        async def hold() -> None:
            self.instances[at].link.held = held
            if not held:
                self.instances[at].link.hand_on()
            await settled()

        self.do(hold())

    @rule(at=which, data=st.data())
    def reorder_and_repeat(self, at: int, data: st.DataObject) -> None:
        link = self.instances[at].link
        if link.in_flight:
            shuffled = data.draw(st.permutations(link.in_flight))
            link.in_flight = shuffled + shuffled[: data.draw(st.integers(0, 2))]

    @rule(at=which, data=st.data())
    def lose_deliveries(self, at: int, data: st.DataObject) -> None:
        link = self.instances[at].link
        if link.in_flight:
            kept = data.draw(st.lists(st.sampled_from(link.in_flight), max_size=3))
            if self.newest(link) not in kept:
                self.unseen.add(at)
            link.in_flight = kept

    @staticmethod
    def newest(link: Link) -> tuple[RoomId, Event]:
        return max(link.in_flight, key=lambda delivery: (delivery[1].position.epoch, delivery[1].position.offset))

    @rule(at=which)
    def may_have_missed(self, at: int) -> None:
        self.unseen.discard(at)

        async def reconnect() -> None:
            self.instances[at].link.reconnected()
            await settled()

        self.do(reconnect())

    @rule(at=which, away=st.booleans())
    def lose_sight_of_the_store(self, at: int, away: bool) -> None:
        async def change() -> None:
            self.instances[at].link.away = away
            await settled()

        self.do(change())

    @rule(at=which)
    def keep_answers_from_arriving(self, at: int) -> None:
        link = self.instances[at].link
        if link.answering is None:
            link.answering = asyncio.Event()

    @rule(at=which)
    def let_answers_arrive(self, at: int) -> None:
        async def release() -> None:
            link = self.instances[at].link
            if link.answering is not None:
                link.answering.set()
                link.answering = None
            await settled()

        self.do(release())

    @rule()
    def lose_the_store(self) -> None:
        async def lose() -> None:
            self.store.lose()
            for instance in self.instances:
                instance.link.reconnected()
            await settled()

        self.do(lose())

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    def teardown(self) -> None:
        if hasattr(self, "tasks"):
            try:
                self.do(self.recover())
                for _, follower, sink in self.followers:
                    self.do(self.check_up_to_date(follower, sink))
            finally:
                self.do(self.end())
        self.runner.close()

    async def recover(self) -> None:
        for at, instance in enumerate(self.instances):
            link = instance.link
            link.away = link.held = False
            if link.answering is not None:
                link.answering.set()
                link.answering = None
            link.hand_on()
            if at in self.unseen:
                link.reconnected()
        await asyncio.sleep(5.0)
        for task in self.joining:
            assert task.done()
            task.result()

    async def check_up_to_date(self, follower: Follower, sink: FakeSink | None) -> None:
        head, _ = await self.store.rooms.members(ROOM)
        while sink is not None and not sink.finished and sink.room_for == 0:
            sink.drain(room_for=10)
        self.listen(follower, sink)
        if follower.jumped_to is not None and follower.jumped_to.epoch == head.epoch:
            assert follower.jumped_to.offset <= max(0, head.offset - self.history_events)  # all that is left follows
        if not follower.subscription.ended:
            assert follower.position == head
            return
        if sink is None:
            with suppress(SlowConsumer):
                raise AssertionError(await follower.subscription.take())
        else:
            assert isinstance(sink.reason, SlowConsumer)
        again = Follower(await self.instances[0].join("again", follower.position))
        if again.subscription.start.recovered:
            assert again.position == follower.position
        self.listen(again, None)
        assert again.position == (await self.store.rooms.members(ROOM))[0]
        await self.instances[0].hub.detach(again.subscription)

    async def end(self) -> None:
        for instance, follower, sink in self.followers:
            if sink is not None:
                sink.subscription.disconnect()
            await instance.hub.detach(follower.subscription)
        self.stop.set()
        async with asyncio.timeout(60.0):
            await asyncio.gather(*self.tasks)


HubMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestHubMachine = HubMachine.TestCase
