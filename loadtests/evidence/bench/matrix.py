"""Which runs a bench makes, and in which order: repeats outermost, so that what is compared runs close together."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from loadtests.evidence.bench.runs import Joins, Load
from loadtests.evidence.bench.started import starting_s
from loadtests.evidence.bench.systems import TRANSPORTS

SUBSCRIBERS: Final = (100, 300, 1000, 3000)
ROOMS: Final = (1, 10, 1000)
PAYLOADS_BYTES: Final = (128, 1024, 4000)  # the contract's content ends at 4096 characters
MEMBERS: Final = (0, 1000, 2000)  # who are in a room when more join
JOINERS: Final = 300  # into those
ROOMS_OF_ONE_PER_S: Final = 1000.0

_OURS: Final = ("direct", "portable")
_ALONE: Final = ("direct",)
# In the order in which they run: a ratio is of neighbours, since the machine's speed drifts within seconds.
_ALL: Final = ("direct by write", "direct", "floor", "nchan", "floor coalescing", "portable", "plain Starlette")
COMPARED: Final = ("direct", "floor", "nchan")  # whose ratios are bars
_BESIDE_NCHAN: Final = ("direct", "nchan")
_GROUPS: Final = ("memory", "floor", "nchan", "joins", "p99")
_FAN_OUT: Final = "floor and nchan"
_TURNS: Final = 2  # where ratios are near one
_HALF_RATE_TURNS: Final = 2
_WAITING: Final = tuple(name for name in _ALL if name != "floor coalescing")
_JOINS_PER_S: Final = 1500.0
_CONNECT_AND_DRAIN_S: Final = 0.8  # to connect a thousand subscribers, and for the last of them to receive all


@dataclass(frozen=True)
class Case:
    """One cell of the bench: which systems, on which transport, under which load."""

    systems: tuple[str, ...]
    transport: str
    load: Load | Joins
    group: str = "growth"
    once: bool = False  # in the first repeat only
    turns: int = 1  # of those who are compared, in each repeat: the noise of a ratio is that of single runs
    compared: tuple[str, ...] = COMPARED
    rarely: tuple[str, ...] = ()  # who runs in the first repeat only: no bar asks for them

    @property
    def name(self) -> str:
        """Unique in a bench."""
        return f"{self.transport}/{self.load.name}"

    def systems_in(self, turn: int, repeat: int = 0) -> tuple[str, ...]:
        """Who runs in a turn of a repeat: all in the first of the first."""
        if turn:
            return tuple(name for name in self.systems if name in self.compared and name not in self.rarely)
        return tuple(name for name in self.systems if repeat == 0 or name not in self.rarely)

    @property
    def expected_s(self) -> float:
        """About how long a run takes on a quiet machine, once its server listens."""
        if isinstance(self.load, Joins):
            return 0.5 + (self.load.before + self.load.joiners) / _JOINS_PER_S
        if self.load.memory:
            return 4.5
        return _CONNECT_AND_DRAIN_S + self.load.measured_s + self.load.warm_up_s


def apart(made: Iterable[Case]) -> Iterator[list[Case]]:
    """Part cases into those whose servers start together: of one group on one transport, but of growth each alone."""
    for _, together in groupby(made, lambda case: (case.transport, case.group, case.group == "growth" and case.name)):
        yield list(together)


def turns(together: Sequence[Case], repeat: int, found: Container[str]) -> list[list[tuple[Case, str, int]]]:
    """What runs in each turn of a repeat, in order: the case, the system, and the number that its row has."""
    asked = [case for case in together if not (case.once and repeat)]
    return [
        [
            (case, name, repeat * case.turns + turn)
            for case in asked
            if turn < case.turns
            for name in case.systems_in(turn, repeat)
            if name in found
        ]
        for turn in range(max((case.turns for case in asked), default=0))
    ]


def together_s(together: Sequence[Case], repeats: int, found: Collection[str] = _ALL) -> float:
    """About how long these take in all their repeats on a quiet machine, on those of their systems that were found."""
    every = [turn for repeat in range(repeats) for turn in turns(together, repeat, found)]
    return sum(
        starting_s([name for _, name, _ in turn]) + sum(case.expected_s for case, _, _ in turn) for turn in every
    )


def cases(extent: str, groups: Collection[str] = _GROUPS) -> Iterator[Case]:
    """The fan-out at both windows, memory, joins; `quick`: N = 100 only, and no more than that.

    `full` has what grows too, in every repeat, and the payloads.
    """
    for transport in TRANSPORTS:
        yield from _windows(transport, 100 if extent == "quick" else 1000, groups)
        if extent == "quick":
            continue
        if "memory" in groups:
            yield Case(_BESIDE_NCHAN, transport, Load(5000, memory=True), "memory", once=True)
        if "joins" in groups:
            yield Case(_ALONE, transport, Joins(2000), "joins")
            yield Case(_ALONE, transport, Joins(2000, tabs=True), "joins")
        if extent == "full":
            yield from _growing(transport)
            yield Case(_ALL, transport, Load(100, window=16))
            for payload_bytes in PAYLOADS_BYTES[1:]:
                yield Case(("direct", "floor", "nchan"), transport, Load(1000, window=1, payload_bytes=payload_bytes))


def _windows(transport: str, subscribers: int, groups: Collection[str]) -> Iterator[Case]:
    floor, nchan = "floor" in groups, "nchan" in groups
    wanted = tuple(name for name in _ALL if (nchan and name in _BESIDE_NCHAN) or (floor and name != "nchan"))
    if wanted:
        # At window 1 there is nothing to coalesce; at 16 there are few writes, and nothing for a ring to save.
        waiting = tuple(name for name in wanted if name != "floor coalescing")
        yield Case(waiting, transport, Load(subscribers, window=1), _FAN_OUT, turns=_TURNS, rarely=_ALL[:1])
        others = tuple(name for name in wanted if name not in COMPARED)
        yield Case(wanted[floor:], transport, Load(subscribers, window=16), _FAN_OUT, rarely=others)
    if "p99" in groups and not (floor and nchan):  # else these are among the windows
        yield Case(COMPARED, transport, Load(subscribers, window=1), "p99", once=bool(wanted))


def _growing(transport: str) -> Iterator[Case]:
    for subscribers in SUBSCRIBERS:
        if subscribers != 1000:  # is among the windows
            systems = _BESIDE_NCHAN if subscribers != 100 else _WAITING
            yield Case(systems, transport, Load(subscribers, window=1), turns=_TURNS)
    for rooms in ROOMS:
        # A window of one in each room: more would be so many POSTs that only their queue is seen.
        yield Case(_BESIDE_NCHAN, transport, Load(1000, window=1, rooms=rooms))
    for rooms in ROOMS:
        yield Case(_ALONE, transport, Load(rooms, rate_per_s=ROOMS_OF_ONE_PER_S, rooms=rooms))
    for before in MEMBERS:
        yield Case(_ALONE, transport, Joins(JOINERS, before))


def half_rate_cases(transport: str, deliveries_per_s: Mapping[str, float], subscribers: int) -> list[Case]:
    """Latency at half of what the floor can do, open loop; and the same beside one reader that never reads.

    `deliveries_per_s` is what each system did when every message waited for the last: who did less than this rate
    could not keep up with it, and its latency would be the length of the run. Both are to be run turn by turn.
    """
    rate_per_s = round(deliveries_per_s["floor"] / subscribers / 2, 1)
    able = tuple(name for name in COMPARED if deliveries_per_s.get(name, 0.0) >= rate_per_s * subscribers)
    load = Load(subscribers, rate_per_s=rate_per_s, measured_s=2.5)
    alone = Case(able, transport, load, "p99", turns=_HALF_RATE_TURNS, rarely=("nchan",))
    if transport == "longpoll":  # a poller that does not read has been answered already
        return [alone]
    return [Case(("direct",), transport, replace(load, stalled=1), "p99", turns=_HALF_RATE_TURNS), alone]
