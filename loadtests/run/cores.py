"""Which core serves and which measures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Read before `on` can have narrowed it: who asks inside a block would be told of one core and divide nothing.
_GIVEN = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of the server and of the generator; both empty where nothing is pinned."""

    server: frozenset[int] = frozenset()
    generator: frozenset[int] = frozenset()

    @property
    def pinned(self) -> bool:
        """Whether server and generator run on cores of their own."""
        return bool(self.server)


def divide(available: frozenset[int], *, server_cores: int = 1) -> Cores:
    """Give the first `server_cores` cores to the server and the rest to the generator; one core is not divided."""
    if len(available) < 2:
        return Cores()
    ordered = sorted(available)
    taken = min(server_cores, len(ordered) - 1)
    return Cores(server=frozenset(ordered[:taken]), generator=frozenset(ordered[taken:]))


def available() -> frozenset[int]:
    """Return the cores this process was given, wherever it runs now; empty where the system does not tell (macOS)."""
    return _GIVEN


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Run the block's calling thread on `cores`; a child started in it inherits them from its first instruction."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
