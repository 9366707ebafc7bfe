"""Emulated links: what is asked for, how it is made, and how exact it came out. No transport is known here.

This module has one direction of a link: when a packet that comes now may leave, or that it is lost. It is pure: time
and chance are given.

Packets leave in the order in which they came. So jitter is no draw per packet, which would reorder them (and TCP would
answer with retransmissions), but a delay that wanders: drawn anew at intervals, straight lines in between. Unlike
holding packets back for the one before, this keeps the mean where it was asked to be, however dense the traffic.
"""

from __future__ import annotations

import random

from loadtests.records.link_spec import Link

_NS_PER_MS = 1e6
_SHORTEST_STRETCH_NS = 10 * _NS_PER_MS


class Direction:
    """Delay, jitter, loss and rate of one direction of `link`."""

    __slots__ = ("_delay_ns", "_free_ns", "_last_due_ns", "_loss", "_ns_per_byte", "_random", "_wander")

    def __init__(self, link: Link, rng: random.Random) -> None:
        self._delay_ns = link.one_way_ms * _NS_PER_MS
        self._loss = link.loss_percent / 100
        self._ns_per_byte = 8e3 / link.rate_mbit if link.rate_mbit else 0.0
        self._random = rng
        self._free_ns = 0.0  # when the line has sent what it took
        self._last_due_ns = 0
        self._wander = _Wander(link.jitter_ms * _NS_PER_MS / 2, rng) if link.jitter_ms else None

    def admit(self, now_ns: int, size_bytes: int) -> int | None:
        """Return when the packet is due at the other end, in ns of `now_ns`'s clock; None if it is lost on the way."""
        if self._loss and self._random.random() < self._loss:
            return None
        sent_ns = float(now_ns)
        if self._ns_per_byte:
            sent_ns = self._free_ns = max(sent_ns, self._free_ns) + size_bytes * self._ns_per_byte
        delay_ns = self._delay_ns + (self._wander.at(sent_ns) if self._wander is not None else 0.0)
        self._last_due_ns = max(self._last_due_ns, round(sent_ns + delay_ns))
        return self._last_due_ns


class _Wander:
    """A value that wanders within ±`reach_ns`, never falling faster than time passes: what it delays stays in order."""

    __slots__ = ("_from_ns", "_random", "_reach_ns", "_start_ns", "_stretch_ns", "_to_ns")

    def __init__(self, reach_ns: float, rng: random.Random) -> None:
        self._reach_ns = reach_ns
        self._random = rng
        self._stretch_ns = max(_SHORTEST_STRETCH_NS, 4 * reach_ns)
        self._start_ns = float("-inf")
        self._from_ns = self._to_ns = 0.0

    def at(self, now_ns: float) -> float:
        """Return the value at an instant no earlier than the last one asked for."""
        if now_ns >= self._start_ns + 2 * self._stretch_ns:  # idle for long: nothing to connect to
            self._to_ns, self._start_ns = self._draw(), now_ns - self._stretch_ns
        if now_ns >= self._start_ns + self._stretch_ns:
            self._from_ns, self._to_ns = self._to_ns, self._draw()
            self._start_ns += self._stretch_ns
        return self._from_ns + (self._to_ns - self._from_ns) * (now_ns - self._start_ns) / self._stretch_ns

    def _draw(self) -> float:
        return self._random.uniform(-self._reach_ns, self._reach_ns)
