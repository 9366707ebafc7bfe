"""One storm: clients join, an instance ends, its clients come back, and every event is accounted for."""

from __future__ import annotations

import gc
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.auth import sign
from core.catalogue import records, resolve
from loadtests.evidence.storm import measures
from loadtests.evidence.storm.measures import Busy, Spent
from loadtests.load.clients.base import Access, Endpoint
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.clients.tls import TlsPipe, client_context
from loadtests.load.storm.comeback import Comeback, Gate, Window
from loadtests.load.storm.loop import Loop
from loadtests.load.storm.member import Member, Shared
from loadtests.load.storm.publisher import Publisher
from loadtests.records.errors import ServerError
from loadtests.records.storm import KILL, ROLLING, Cut, Storm
from loadtests.run.one_address import OneAddress
from loadtests.run.process import Cores
from loadtests.run.servers import HOST, Server, ServerSettings
from loadtests.run.targets import Target

ROOM_MEMBERS = 20
RATE_PER_S = 2.0  # messages in each room
_BYSTANDERS = 0.5  # of the clients: those who join while both instances are there, half of them to the one that stays
CALM_S = 1.0
_SETTLE_S = 10.0  # for what is on its way once all are back
_JOIN_LIMIT_S = 60.0
AT_ONCE = 256  # attempts on their way where u is measured; the bench measures joins so


@dataclass(frozen=True, slots=True)
class Asked:
    """What one storm is to be."""

    target: Target
    kind: str
    repeat: int
    clients: int  # that one instance holds when it ends
    window_ratio: float
    window_s: float
    seed: int
    settings: ServerSettings
    redis_url: str
    redis_pid: int  # 0: not a process of this machine that the lab started
    cores: Cores
    folder: Path

    @property
    def name(self) -> str:
        """Unique among the storms of a run."""
        return f"{self.repeat}-{self.target.name}-{self.kind}-{self.window_ratio:g}"


class Storming:
    """The state of one storm. `run` carries it out."""

    def __init__(self, asked: Asked, check: Callable[[], None]) -> None:
        self._asked, self._check = asked, check
        self._loop = Loop()
        rng = random.Random(f"{asked.seed} {asked.name}")
        comeback: Comeback = (
            Window(self._loop, asked.window_s, rng) if asked.window_ratio else Gate(self._loop, AT_ONCE)
        )
        self._heads: dict[str, int] = {}
        self._shared = Shared(self._loop, RealtimeOffset(), self._heads, comeback)
        self._rooms = [f"storm-{asked.name}-{n}" for n in range(-(-asked.clients // ROOM_MEMBERS))]
        self._members: list[Member] = []
        self._publishers: list[Publisher] = []
        self._live: list[tuple[Member, int, int]] = []  # deliveries: to whom, when due, when received
        self._client = resolve(records()[asked.target.name].load.client)
        self._context = client_context(HOST, self._client.alpn) if asked.target.tls else None

    def run(self) -> Storm:
        """Carry it out. Raises LabError and what `check` raises; nothing is left running either way."""
        gc.collect()
        gc.freeze()
        try:
            with ExitStack() as stack:
                stack.callback(self._close)
                address = stack.enter_context(self._address())
                return self._carried_out(address)
        finally:
            gc.unfreeze()

    def _address(self) -> OneAddress:
        asked = self._asked
        return OneAddress(
            asked.target, asked.settings, asked.redis_url, folder=asked.folder, name=asked.name, cores=asked.cores
        )

    def _carried_out(self, address: OneAddress) -> Storm:
        asked = self._asked
        starting = [address.start_beside(), address.start()]
        if asked.kind == ROLLING:
            starting.append(address.start())
        beside, first, *others = (self._ready(*each) for each in starting)
        publisher = self._publisher(address, beside)
        second = self._joined(address, others, publisher)
        calm_ns = time.monotonic_ns()
        self._run(lambda: time.monotonic_ns() > calm_ns + CALM_S * 1e9, 2 * CALM_S, "the calm ended")
        calm = measures.latency(self._live, calm_ns, time.monotonic_ns())
        ended = [self._cut(address, first, [second])]
        if asked.kind == ROLLING:
            third = self._ready(*address.start())
            ended.append(self._cut(address, second, [third]))
        publisher.stop()
        self._settle(publisher)
        gaps = measures.gaps_s(self._members)
        return Storm(
            transport=asked.target.name, kind=asked.kind, repeat=asked.repeat, window_ratio=asked.window_ratio,
            window_s=asked.window_s, cuts=tuple(cut() for cut in ended), calm=calm,
            gap_50_s=measures.share(gaps, 50), gap_99_s=measures.share(gaps, 99), gap_100_s=measures.share(gaps, 100),
            published=publisher.sent, late_p99_ms=measures.p99_ms(publisher.late_ns),
            lost=sum(each.lost for each in self._members) + self._missing(),
            doubled=sum(each.doubled for each in self._members),
            told_gaps=sum(each.told_gaps for each in self._members),
            faults=tuple(sorted(set(self._shared.faults))[:5]),
        )  # fmt: skip

    def _publisher(self, address: OneAddress, beside: Server) -> Publisher:
        token = self._token(address, "publisher")
        self._publishers = [Publisher(self._shared, Endpoint(HOST, beside.port), token, self._rooms, RATE_PER_S)]
        return self._publishers[0]

    def _joined(self, address: OneAddress, others: Sequence[Server], publisher: Publisher) -> Server:
        """Let everybody join; return the second instance.

        At a kill and at a drain the first instance is to hold `clients` of them, and the second one bystanders: those
        who come while both listen go to either. At a rolling restart everybody comes while both do, so `others` holds
        the second.
        """
        clients = self._asked.clients
        either = clients if others else round(clients * _BYSTANDERS)
        if not others:
            self._join(address, clients - either // 2)
            others = [self._ready(*address.start())]
        self._join(address, either)
        publisher.start()
        return others[0]

    def _join(self, address: OneAddress, count: int) -> None:
        there = len(self._members)
        for number in range(there, there + count):
            member = self._member(address, number)
            self._members.append(member)
            member.start()
            if number % AT_ONCE == AT_ONCE - 1:
                self._all_up()
        self._all_up()

    def _all_up(self) -> None:
        self._run(lambda: not self._shared.behind, _JOIN_LIMIT_S, "all clients had joined")

    def _member(self, address: OneAddress, number: int) -> Member:
        room = self._rooms[number % len(self._rooms)]
        access = Access(Endpoint(HOST, address.port, self._asked.target.tls), room, self._token(address, f"u{number}"))
        new_tls = None
        if self._context is not None:
            new_tls = partial(TlsPipe, self._context, HOST, self._client.alpn)
        return Member(self._shared, partial(self._client, access), new_tls, self._delivered)

    def _token(self, address: OneAddress, user: str) -> str:
        return sign(address.secret.encode(), user, ["*"], time.time() + 3600)

    def _delivered(self, member: Member, due_ns: int, received_ns: int) -> None:
        self._live.append((member, due_ns, received_ns))

    def _cut(self, address: OneAddress, ending: Server, staying: Sequence[Server]) -> Callable[[], Cut]:
        """End an instance, and wait until its clients are back; what came of it is known once all has settled."""
        asked = self._asked
        before = [len(each.outages) for each in self._members]
        for server in staying:
            server.check_alive()
        busy = Busy([server.processes()[0] for server in staying], asked.redis_pid)
        signal_ns = time.monotonic_ns()
        ending.signal(signal.SIGKILL if asked.kind == KILL else signal.SIGTERM)
        spent: list[Spent] = []

        def cut() -> list[Member]:
            return [each for each, count in zip(self._members, before, strict=True) if len(each.outages) > count]

        def over() -> bool:
            if self._shared.behind:
                spent.clear()
            elif not spent and cut():
                spent.append(busy.spent())
            return bool(spent) and ending.has_ended()

        self._run(over, _JOIN_LIMIT_S + asked.window_s, "all clients were back and had what they missed")
        address.ended(ending)
        outages = [(each, each.outages[-1]) for each in cut()]
        return partial(measures.cut, outages, self._live, signal_ns, spent[0])

    def _ready(self, server: Server, ready: Future[None]) -> Server:
        self._run(ready.done, _JOIN_LIMIT_S, "the instance was ready")
        ready.result()
        return server

    def _settle(self, publisher: Publisher) -> None:
        """Wait until everything acknowledged has come, or can't be expected to any more."""
        self._run(lambda: not publisher.unanswered, _SETTLE_S, "every message was acknowledged")
        self._loop.run(lambda: not self._missing(), _SETTLE_S, self._check)

    def _missing(self) -> int:
        return sum(max(0, self._heads.get(each.room, 0) - each.offset) for each in self._members)

    def _run(self, until: Callable[[], bool], limit_s: float, what: str) -> None:
        if not self._loop.run(until, limit_s, self._check):
            said = f": {self._shared.faults[-1]}" if self._shared.faults else ""
            raise ServerError(f"{self._asked.name}: {limit_s:g} s went by before {what}{said}")

    def _close(self) -> None:
        for member in self._members:
            member.close()
        for publisher in self._publishers:
            publisher.close()
        self._loop.close()
