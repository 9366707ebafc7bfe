"""What a message costs over Redis: a room of four on two instances, one message a turn of their loops.

Redis counts its commands itself, those inside scripts included (INFO commandstats); its CPU and the servers' are the
kernel's count. Both are taken before and after a slice, so that joins are not in it.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadtests.evidence.bench.rooms import PASSES, Rooms, connected, yardstick
from loadtests.evidence.bench.slices import Measure, forth_and_back, meter
from loadtests.evidence.bench.started import Result, Running, started, starting_s
from loadtests.evidence.bench.systems import PLAIN, System
from loadtests.records.errors import LabError
from loadtests.run.own_redis import OwnRedis, redis_server
from loadtests.run.servers import HOST

YARDSTICK: Final = Rooms(250, 2)
_LOAD: Final = Rooms(1, 4, rate_per_s=400.0, measured_s=0.8)
_REDIS_S: Final = 0.5  # its start and end
_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True)
class RedisGroup:
    """Two instances of each system that share a Redis; the members of a room are spread over both."""

    systems: tuple[str, ...]  # with plain Starlette, by which the others are scaled
    load: Rooms = _LOAD
    name: str = "redis"
    rarely: tuple[str, ...] = ()
    transports: tuple[str, ...] = ("websocket",)
    once: bool = False
    passes: int = PASSES

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [f"{self.load.name}-redis", YARDSTICK.yardstick_name]

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""
        sharing_s = _REDIS_S + self.load.expected_s(self.passes)
        loads_s = sum(YARDSTICK.expected_s(self.passes) if name == PLAIN else sharing_s for name in names)
        return starting_s([*names, *(name for name in names if name != PLAIN)]) + loads_s

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        """As of small rooms; also `redis_us_per_msg`, `redis_commands` and `script_us`. Raises LabError."""
        plain = [system for system in systems if system.name == PLAIN]
        shared = [system for system in systems if system.name != PLAIN]
        with ExitStack() as held:
            redises = [held.enter_context(redis_server(server_cores)) for _ in shared]
            twice = [sharing(*pair) for pair in zip(shared, redises, strict=True) for _ in range(2)]
            servers = held.enter_context(started([*plain, *twice], server_cores))
            meters = [yardstick(held, YARDSTICK, *pair, client_cores) for pair in zip(plain, servers, strict=False)]
            instances = iter(servers[len(plain) :])
            for system, redis in zip(shared, redises, strict=True):
                both = [next(instances), next(instances)]
                opened = self._counted(system, transport, redis, both, client_cores)
                meters.append(meter(held, self.load_names[0], system.name, opened))
            yield from forth_and_back(meters, self.passes)

    @contextmanager
    def _counted(
        self,
        system: System,
        transport: str,
        redis: OwnRedis,
        instances: Sequence[Running | LabError],
        cores: frozenset[int],
    ) -> Iterator[Measure]:
        """As `connected`, and what Redis did in each slice."""
        with connected(system, transport, self.load, self.load.name, instances, cores) as measure:

            def measure_both() -> Result:
                before = taken(redis)
                result = measure()
                return result | shares(before, taken(redis))

            yield measure_both


@dataclass(frozen=True)
class Sample:
    """What Redis had done when it was asked: calls and µs of its commands by name, and its CPU in ns."""

    calls: Mapping[str, int]
    us: Mapping[str, int]
    cpu_ns: int

    @property
    def published(self) -> int:
        """Messages: each is one PUBLISH, whoever publishes."""
        return self.calls.get("publish", 0) + self.calls.get("spublish", 0)


def shares(before: Sample, after: Sample) -> dict[str, float]:
    """What each message between two samples cost Redis. Raises LabError when there was none."""
    messages = after.published - before.published
    if not messages:
        raise LabError("no message was published in Redis")
    calls = sum(after.calls.values()) - sum(before.calls.values())
    scripts = ("evalsha", "eval", "fcall")
    script_us = sum(after.us.get(name, 0) - before.us.get(name, 0) for name in scripts)
    return {
        "redis_us_per_msg": (after.cpu_ns - before.cpu_ns) / 1e3 / messages,
        "redis_commands": calls / messages,
        "script_us": script_us / messages,
    }


def sharing(system: System, redis: OwnRedis) -> System:
    """A system whose instances share a Redis. Ours have the limit on messages on, though nobody meets it."""
    limit = ["--rate", "1000000", "--burst", "1000000"]
    option = [redis.url] if system.name == "python-socketio" else ["--redis", redis.url, *limit]
    return replace(system, command=lambda port, folder: [*system.command(port, folder), *option])


def taken(redis: OwnRedis) -> Sample:
    """Ask Redis what it has done."""
    with socket.create_connection((HOST, redis.port), _TIMEOUT_S) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"INFO commandstats\r\n")
        return sample(answers.read(int(answers.readline()[1:]) + 2).decode(), cpu_ns(redis.pid))


def sample(text: str, cpu_ns: int) -> Sample:
    """Read the answer to INFO commandstats; INFO itself is left out."""
    calls, us = {}, {}
    for line in text.split():
        name, _, rest = line.removeprefix("cmdstat_").partition(":")
        fields = dict(field.split("=") for field in rest.split(",") if "=" in field)
        if "calls" in fields and name != "info":
            calls[name], us[name] = int(fields["calls"]), int(fields["usec"])
    return Sample(calls, us, cpu_ns)


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))
