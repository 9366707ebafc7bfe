"""When the open-loop schedule wants each message published: instants from a start, a rate and a seed, nothing else.

The instants never depend on what happened to earlier messages: that is what makes the load open.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

NS_PER_S = 1_000_000_000
KINDS = ("constant", "poisson", "burst")


def instants(kind: str, start_ns: int, rate_per_s: float, phase: float, seed: str) -> Iterator[int]:
    """Yield ascending instants from `start_ns` on, without end; none for a rate of 0.

    `constant` is evenly spaced, its first message `phase` (0..1) of a period after the start; `poisson` has exponential
    gaps drawn from `seed`; `burst` has all messages of a second at the second's beginning. Raises ValueError.
    """
    if kind not in KINDS:
        raise ValueError(f"arrivals {kind!r}; expected one of {', '.join(KINDS)}")
    if rate_per_s < 0:
        raise ValueError(f"a rate of {rate_per_s}/s; expected 0 or more")
    if not rate_per_s:
        return iter(())
    if kind == "poisson":
        return _poisson(start_ns, rate_per_s, random.Random(seed))
    if kind == "burst":
        return _burst(start_ns, rate_per_s)
    return _constant(start_ns, rate_per_s, phase)


def _constant(start_ns: int, rate_per_s: float, phase: float) -> Iterator[int]:
    message = 0
    while True:
        # From the start each time: adding up rounded periods would drift.
        yield start_ns + round((message + phase) * NS_PER_S / rate_per_s)
        message += 1


def _poisson(start_ns: int, rate_per_s: float, random_source: random.Random) -> Iterator[int]:
    elapsed_s = 0.0
    while True:
        elapsed_s += random_source.expovariate(rate_per_s)
        yield start_ns + round(elapsed_s * NS_PER_S)


def _burst(start_ns: int, rate_per_s: float) -> Iterator[int]:
    message = 0
    while True:
        yield start_ns + int(message / rate_per_s) * NS_PER_S
        message += 1
