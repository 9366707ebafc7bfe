"""Which runs a bench makes, and in which order: repeats outermost, so that what is compared runs close together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from loadtests.bench.runs import Load
from loadtests.bench.systems import TRANSPORTS

_OURS: Final = ("direct", "portable")
_ALL: Final = (*_OURS, "plain Starlette", "floor", "floor coalescing", "nchan")


@dataclass(frozen=True)
class Case:
    """One cell of the bench: which systems, on which transport, under which load."""

    systems: tuple[str, ...]
    transport: str
    load: Load

    @property
    def name(self) -> str:
        """Unique in a bench."""
        return f"{self.transport}/{self.load.name}"


def cases(extent: str) -> Iterator[Case]:
    """The fan-out at both windows, and memory; `quick`: N = 100 only; `full`: also sizes and payloads."""
    for transport in TRANSPORTS:
        if extent == "quick":
            yield from _windows(transport, 100)
            continue
        yield from _windows(transport, 1000)
        yield Case((*_OURS, "nchan"), transport, Load(5000, memory=True))
        if extent == "full":
            yield from _windows(transport, 100)
            for subscribers in (300, 3000):
                yield Case(("direct", "nchan"), transport, Load(subscribers, window=1))
            for payload_bytes in (1024, 4000):  # the contract's content ends at 4096 characters
                yield Case(("direct", "floor", "nchan"), transport, Load(1000, window=1, payload_bytes=payload_bytes))


def _windows(transport: str, subscribers: int) -> Iterator[Case]:
    for window in (1, 16):
        yield Case(_ALL, transport, Load(subscribers, window=window))


def half_rate_cases(transport: str, floor_deliveries_per_s: float, subscribers: int) -> list[Case]:
    """Latency at half of what the floor can do, open loop; and the same beside one reader that never reads."""
    rate_per_s = round(floor_deliveries_per_s / subscribers / 2, 1)
    load = Load(subscribers, rate_per_s=rate_per_s, measured_s=4.0)
    made = [Case(("direct", "portable", "floor", "nchan"), transport, load)]
    if transport != "longpoll":  # a poller that does not read has been answered already
        made.append(Case(("direct",), transport, replace(load, stalled=1)))
    return made
