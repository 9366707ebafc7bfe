"""Which runs a bench makes, and in which order: repeats outermost, so that what is compared runs close together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from loadtests.evidence.bench.runs import Joins, Load
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
_TURNS: Final = 3  # where ratios are near one
_HALF_RATE_TURNS: Final = 2
_WAITING: Final = tuple(name for name in _ALL if name != "floor coalescing")  # nothing to coalesce at window 1
_IN_PYTHON: Final = ("direct by write", *_OURS, "plain Starlette")
_JOINS_PER_S: Final = 1000.0  # at the least, on a machine that is worth measuring on


@dataclass(frozen=True)
class Case:
    """One cell of the bench: which systems, on which transport, under which load."""

    systems: tuple[str, ...]
    transport: str
    load: Load | Joins
    once: bool = False  # in the first repeat only
    turns: int = 1  # of those who are compared, in each repeat: the noise of a ratio is that of single runs
    compared: tuple[str, ...] = COMPARED

    @property
    def name(self) -> str:
        """Unique in a bench."""
        return f"{self.transport}/{self.load.name}"

    def systems_in(self, turn: int) -> tuple[str, ...]:
        """Who runs in a turn of a repeat: all in the first."""
        return tuple(name for name in self.systems if turn == 0 or name in self.compared)

    @property
    def expected_s(self) -> float:
        """About how long a repeat takes on a quiet machine, starting and stopping included."""
        runs = [name for turn in range(self.turns) for name in self.systems_in(turn)]
        return sum(self._expected_each_s(name in _IN_PYTHON) for name in runs)

    def _expected_each_s(self, in_python: bool) -> float:
        starting_s = 1.5 if in_python else 0.7
        if isinstance(self.load, Joins):
            return starting_s + 2.0 + (self.load.before + self.load.joiners) / _JOINS_PER_S
        if self.load.memory:
            return starting_s + 7.0
        return starting_s + self.load.measured_s + self.load.warm_up_s


def expected_s(made: Iterable[Case], repeats: int) -> float:
    """About how long these take in all."""
    return sum(case.expected_s * (1 if case.once else repeats) for case in made)


def cases(extent: str) -> Iterator[Case]:
    """The fan-out at both windows, memory, joins, and what grows; `quick`: N = 100 only, and no more than that.

    What grows is measured once by `default`, in every repeat by `full`; that has the payloads too.
    """
    for transport in TRANSPORTS:
        if extent == "quick":
            yield from _windows(transport, 100)
            continue
        yield from _windows(transport, 1000)
        yield Case((*_OURS, "nchan"), transport, Load(5000, memory=True))
        yield Case(_ALONE, transport, Joins(2000))
        yield Case(_ALONE, transport, Joins(2000, tabs=True))
        yield from _growing(transport, once=extent != "full")
        if extent == "full":
            yield Case(_ALL, transport, Load(100, window=16))
            for payload_bytes in PAYLOADS_BYTES[1:]:
                yield Case(("direct", "floor", "nchan"), transport, Load(1000, window=1, payload_bytes=payload_bytes))


def _windows(transport: str, subscribers: int) -> Iterator[Case]:
    yield Case(_WAITING, transport, Load(subscribers, window=1), turns=_TURNS)
    yield Case(_ALL[1:], transport, Load(subscribers, window=16))  # few writes: nothing for a ring to save


def _growing(transport: str, *, once: bool) -> Iterator[Case]:
    for subscribers in SUBSCRIBERS:
        if subscribers != 1000:  # is among the windows
            systems = _ALONE if once else ("direct", "nchan") if subscribers != 100 else _WAITING
            yield Case(systems, transport, Load(subscribers, window=1), once, turns=_TURNS)
    for rooms in ROOMS:
        # A window of one in each room: more would be so many POSTs that only their queue is seen.
        yield Case(("direct", "nchan"), transport, Load(1000, window=1, rooms=rooms), once)
    for rooms in ROOMS:
        yield Case(_ALONE, transport, Load(rooms, rate_per_s=ROOMS_OF_ONE_PER_S, rooms=rooms), once)
    for before in MEMBERS:
        yield Case(_ALONE, transport, Joins(JOINERS, before), once)


def half_rate_cases(transport: str, deliveries_per_s: Mapping[str, float], subscribers: int) -> list[Case]:
    """Latency at half of what the floor can do, open loop; and the same beside one reader that never reads.

    `deliveries_per_s` is what each system did when every message waited for the last: who did less than this rate
    could not keep up with it, and its latency would be the length of the run. Both are to be run turn by turn.
    """
    rate_per_s = round(deliveries_per_s["floor"] / subscribers / 2, 1)
    able = tuple(name for name in COMPARED if deliveries_per_s.get(name, 0.0) >= rate_per_s * subscribers)
    load = Load(subscribers, rate_per_s=rate_per_s, measured_s=2.5)
    alone = Case(able, transport, load, turns=_HALF_RATE_TURNS, compared=("direct", "floor"))
    if transport == "longpoll":  # a poller that does not read has been answered already
        return [alone]
    return [Case(("direct",), transport, replace(load, stalled=1), turns=_HALF_RATE_TURNS), alone]
