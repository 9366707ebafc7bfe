"""What a message costs over Redis: a room of four on two instances, one message a turn of their loops.

Redis counts its commands itself, those inside scripts included (INFO commandstats); its CPU and the servers' are the
kernel's count. Both are taken while messages flow, so that joins are not in it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from loadtests.evidence.bench.rooms import Rooms, run_on
from loadtests.evidence.bench.started import Result, attempt, started, starting_s, up
from loadtests.evidence.bench.systems import System
from loadtests.records.errors import LabError
from loadtests.run.own_redis import OwnRedis, redis_server
from loadtests.run.servers import HOST

_LOAD: Final = Rooms(1, 4, rate_per_s=400.0, measured_s=2.5)
_REDIS_S: Final = 0.5  # its start and end
_SAMPLE_S: Final = 0.2


@dataclass(frozen=True)
class RedisGroup:
    """Two instances of a system that share one Redis; the members of a room are spread over both."""

    systems: tuple[str, ...]
    load: Rooms = _LOAD
    name: str = "redis"
    rarely: tuple[str, ...] = ()
    transports: tuple[str, ...] = ("websocket",)
    once: bool = False

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [f"{self.load.name}-redis"]

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""
        return sum(_REDIS_S + starting_s([name, name]) + self.load.expected_s for name in names)

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, Result | LabError]]:
        """As of small rooms; also `redis_us_per_msg`, `redis_commands` and `script_us`."""
        for system in systems:
            work = partial(self._once, system, transport, server_cores, client_cores)
            yield self.load_names[0], system.name, attempt(work)

    def _once(
        self, system: System, transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Result:
        samples: list[Sample] = []
        with redis_server(server_cores) as redis, started([sharing(system, redis)] * 2, server_cores) as instances:
            both = [up(each) for each in instances]
            with _sampled(redis, samples):
                result = run_on(system, transport, self.load, both, client_cores)
        flowing = [(one, other) for one, other in pairwise(samples) if other.published > one.published][
            1:-1
        ]  # the first and the last may hold joins and leaves
        if not flowing:
            raise LabError(f"{system.name} over Redis: too few messages were published")
        return result | shares([one for one, _ in flowing], [other for _, other in flowing])


@dataclass(frozen=True)
class Sample:
    """What Redis had done when it was asked: calls and µs of its commands by name, and its CPU in ns."""

    at_s: float
    calls: Mapping[str, int]
    us: Mapping[str, int]
    cpu_ns: int

    @property
    def published(self) -> int:
        """Messages: each is one PUBLISH, whoever publishes."""
        return self.calls.get("publish", 0) + self.calls.get("spublish", 0)


def shares(before: list[Sample], after: list[Sample]) -> dict[str, float]:
    """What each message cost Redis over the times between samples."""
    pairs = list(zip(before, after, strict=True))
    messages = sum(other.published - one.published for one, other in pairs)
    calls = sum(sum(other.calls.values()) - sum(one.calls.values()) for one, other in pairs)
    scripts = ("evalsha", "eval", "fcall")
    script_us = sum(other.us.get(name, 0) - one.us.get(name, 0) for one, other in pairs for name in scripts)
    return {
        "redis_us_per_msg": sum(other.cpu_ns - one.cpu_ns for one, other in pairs) / 1e3 / messages,
        "redis_commands": calls / messages,
        "script_us": script_us / messages,
    }


def sharing(system: System, redis: OwnRedis) -> System:
    """A system whose instances share a Redis. Ours have the limit on messages on, though nobody meets it."""
    limit = ["--rate", "1000000", "--burst", "1000000"]
    option = [redis.url] if system.name == "python-socketio" else ["--redis", redis.url, *limit]
    return replace(system, command=lambda port, folder: [*system.command(port, folder), *option])


@contextmanager
def _sampled(redis: OwnRedis, samples: list[Sample]) -> Iterator[None]:
    ended = threading.Event()

    def take() -> None:
        with socket.create_connection((HOST, redis.port)) as connection, connection.makefile("rb") as answers:
            while not ended.wait(_SAMPLE_S):
                connection.sendall(b"INFO commandstats\r\n")
                text = answers.read(int(answers.readline()[1:]) + 2).decode()
                samples.append(sample(text, time.monotonic(), cpu_ns(redis.pid)))

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def sample(text: str, at_s: float, cpu_ns: int) -> Sample:
    """Read the answer to INFO commandstats; INFO itself is left out."""
    calls, us = {}, {}
    for line in text.split():
        name, _, rest = line.removeprefix("cmdstat_").partition(":")
        fields = dict(field.split("=") for field in rest.split(",") if "=" in field)
        if "calls" in fields and name != "info":
            calls[name], us[name] = int(fields["calls"]), int(fields["usec"])
    return Sample(at_s, calls, us, cpu_ns)


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))
