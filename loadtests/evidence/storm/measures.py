"""What a storm's raw instants amount to: times until clients were back, latencies of bystanders, CPU."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from loadtests.load.storm.member import Member, Outage
from loadtests.records.storm import Cut, Latency

_BEYOND = 10  # samples that must lie beyond a percentile
Delivery = tuple[Member, int, int]
"""To whom, when it was due, when it was received: CLOCK_MONOTONIC in ns."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds, and how long they took."""

    servers_s: tuple[float, ...]
    redis_s: float
    lab_s: float
    elapsed_s: float


class Busy:
    """CPU of servers, Redis and this process from its making on."""

    def __init__(self, servers: Sequence[int], redis: int) -> None:
        """Begin; `redis` of 0 is a Redis that is not here."""
        self._servers, self._redis = servers, redis
        self._before = self._now()

    def spent(self) -> Spent:
        """Return what has been spent so far."""
        ended, before = self._now(), self._before
        used = [now - then for now, then in zip(ended, before, strict=True)]
        return Spent(tuple(used[: len(self._servers)]), used[-3], used[-2], used[-1])

    def _now(self) -> list[float]:
        used = [*map(_cpu_s, self._servers), _cpu_s(self._redis) if self._redis else 0.0]
        return [*used, _cpu_s(os.getpid()), time.monotonic()]


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def share(ascending: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all do not exceed; 0 without any."""
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)] if ascending else 0.0


def p99_ms(values_ns: Iterable[int]) -> float | None:
    """Return the 99th percentile in ms; None with fewer than ten values beyond it."""
    found = sorted(values_ns)
    return share(found, 99) / 1e6 if len(found) >= 100 * _BEYOND else None


def latency(deliveries: Iterable[Delivery], from_ns: int, to_ns: int, but: Iterable[Member] = ()) -> Latency:
    """Return the latency of what was due in [from, to) for anybody `but` those."""
    others = set(map(id, but))
    found = [got - due for member, due, got in deliveries if from_ns <= due < to_ns and id(member) not in others]
    return Latency(len(found), p99_ms(found))


def gaps_s(members: Iterable[Member]) -> list[float]:
    """Return how long each client that was cut had no stream, over all its cuts, ascending."""
    found = [sum(each.welcome_ns - each.cut_ns for each in member.outages) / 1e9 for member in members]
    return sorted(gap for gap in found if gap > 0)


def cut(outages_of: Sequence[tuple[Member, Outage]], others: Iterable[Delivery], signal_ns: int, spent: Spent) -> Cut:
    """Return what came of a signal that gave each of these members this outage."""
    members, outages = [member for member, _ in outages_of], [outage for _, outage in outages_of]
    back_s = sorted((each.caught_up_ns - signal_ns) / 1e9 for each in outages)
    until_ns = max(each.caught_up_ns for each in outages)
    return Cut(
        clients=len(members),
        noticed_s=(max(each.cut_ns for each in outages) - signal_ns) / 1e9,
        back_50_s=share(back_s, 50),
        back_99_s=share(back_s, 99),
        back_100_s=share(back_s, 100),
        unrefused_100_s=max(
            ((each.caught_up_ns - signal_ns) / 1e9 for each in outages if not each.refused), default=0.0
        ),
        refused=sum(each.refused for each in outages),
        replayed=sum(each.replayed for each in outages),
        bystanders=latency(others, signal_ns, until_ns, members),
        server_us_per_join=1e6 * sum(spent.servers_s) / len(members),
        redis_us_per_join=1e6 * spent.redis_s / len(members),
        server_busy=max(spent.servers_s, default=0.0) / spent.elapsed_s,
        lab_busy=spent.lab_s / spent.elapsed_s,
    )
