"""What the script of a publish costs Redis alone, beside the least that one can do: offset, stream, channel.

Redis shows what our server sends for a room's messages (MONITOR): for the first one the script that also keeps the room
within its bounds, then the lean one, which leaves each 256th message to the other. Both are sent again so, many times
over one connection and with a deadline that is far away, so Redis is busy with nothing else.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loadtests.evidence.bench.redis_load import YARDSTICK, shares, sharing, taken
from loadtests.evidence.bench.rooms import PASSES, yardstick
from loadtests.evidence.bench.slices import Measure, forth_and_back, meter
from loadtests.evidence.bench.started import Result, Running, running, started, starting_s
from loadtests.evidence.bench.systems import PLAIN, System, contract_token
from loadtests.records.errors import LabError
from loadtests.run.own_redis import OwnRedis, redis_server
from loadtests.run.servers import HOST

MINIMAL_SCRIPT: Final = System("minimal script", lambda port, _: [])  # it is no server, and needs none
_MINIMAL: Final = """
local offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
redis.call('XADD', KEYS[1] .. ':log', 'MAXLEN', '~', '1000', offset .. '-1', 'p', ARGV[1])
redis.call('PUBLISH', KEYS[1], offset .. ' ' .. ARGV[1])
return offset
"""
_CONTENT: Final = "~measured~" + "m" * 118  # 128 bytes, as elsewhere
_WARM_UP, _MEASURED = 2_000, 10_000  # messages; a room's history is full after 1,000
_REDIS_S: Final = 0.5  # its start and end, and the warm-up
_SLICE_S: Final = 0.25
_UPKEEP_EVERY: Final = 256  # as core/backplane/lua/lean.lua says; the deadline is its first argument, and publish.lua's
_FAR: Final = 2
_TIMEOUT_S: Final = 20.0
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class ScriptGroup:
    """Our server's script and the minimal one, each in a Redis of its own, and plain Starlette to scale them by."""

    systems: tuple[str, ...] = (PLAIN, "direct", MINIMAL_SCRIPT.name)
    transports: tuple[str, ...] = ("redis",)
    name: str = "redis"
    rarely: tuple[str, ...] = ()
    once: bool = False
    passes: int = PASSES

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return ["script", YARDSTICK.yardstick_name]

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems."""
        scripts_s = sum(_REDIS_S + self.passes * _SLICE_S for name in names if name != PLAIN)
        loads_s = YARDSTICK.expected_s(self.passes) if PLAIN in names else 0.0
        return sum(starting_s([name]) for name in names if name != MINIMAL_SCRIPT.name) + scripts_s + loads_s

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        """`redis_us_per_msg` of Redis' CPU, `script_us` by its own count, `mps` that one core does."""
        plain = [system for system in systems if system.name == PLAIN]
        with ExitStack() as held:
            servers = held.enter_context(started(plain, server_cores))
            meters = [yardstick(held, YARDSTICK, *pair, client_cores) for pair in zip(plain, servers, strict=True)]
            meters += [
                meter(held, "script", system.name, _script(system, server_cores))
                for system in systems
                if system.name != PLAIN
            ]
            yield from forth_and_back(meters, self.passes)


@contextmanager
def _script(system: System, cores: frozenset[int]) -> Iterator[Measure]:
    """Have a Redis ready to run the script; what is yielded measures a slice of it. Raises LabError."""
    with (
        redis_server(cores) as redis,
        socket.create_connection((HOST, redis.port), _TIMEOUT_S) as connection,
        connection.makefile("rb") as answers,
    ):
        if system is MINIMAL_SCRIPT:
            connection.sendall(encoded([b"SCRIPT", b"LOAD", _MINIMAL.encode()]))
            answers.readline()
            again = _always([b"EVALSHA", answers.readline().strip(), b"1", b"room", _payload()])
        else:
            with running(sharing(system, redis), cores) as server:
                again = repeated(*_captured(redis, server))
            # It is gone, so that it listens to nothing and takes no CPU from Redis.
        _send_all(connection, answers, _commands(again, 0, _WARM_UP))
        first = _WARM_UP

        def measure() -> Result:
            nonlocal first
            sent = _commands(again, first, _MEASURED)
            first += _MEASURED
            before = taken(redis)
            _send_all(connection, answers, sent)
            after = taken(redis)
            if after.published - before.published != _MEASURED:
                raise LabError(f"{after.published - before.published:,} of {_MEASURED:,} messages were published")
            found = shares(before, after)
            return found | {"mps": 1e6 / found["redis_us_per_msg"]}

        yield measure


def _always(command: list[bytes]) -> Callable[[int], list[bytes]]:
    return lambda _: command


def _commands(again: Callable[[int], list[bytes]], first: int, count: int) -> bytes:
    return b"".join(encoded(again(first + number)) for number in range(count))


def _payload() -> bytes:
    return f'"type":"chat","userId":"u0","timestamp":1700000000000,"content":"{_CONTENT}"'.encode()


def _captured(redis: OwnRedis, server: Running) -> list[list[bytes]]:
    """The commands with which our server publishes the first and the second message of a room. Raises LabError."""
    with socket.create_connection((HOST, redis.port), _TIMEOUT_S) as monitor:
        monitor.sendall(b"MONITOR\r\n")
        lines = monitor.makefile("rb")
        lines.readline()  # what comes before its answer is not shown
        for _ in range(2):
            _post(server)
        found: list[list[bytes]] = []
        # The server asks for the time now and then, so there are always lines.
        until_s = time.monotonic() + _TIMEOUT_S
        for line in lines:
            command = words(line)
            if command and command[0].lower() in (b"evalsha", b"eval", b"fcall") and _CONTENT.encode() in line:
                found.append(command)
            if len(found) == 2:
                return found
            if time.monotonic() > until_s:
                break
    raise LabError(f"of two messages Redis was asked to publish {len(found)} within {_TIMEOUT_S:.0f} s")


def _post(server: Running) -> None:
    request = http.client.HTTPConnection(HOST, server.port, timeout=_TIMEOUT_S)
    headers = {"Authorization": f"Bearer {contract_token()}", "Content-Type": "application/json"}
    request.request("POST", "/rooms/script/messages", msgspec.json.encode({"content": _CONTENT}), headers)
    status = request.getresponse().status
    request.close()
    if status != http.client.ACCEPTED:
        raise LabError(f"a message was answered with {status}")


def words(line: bytes) -> list[bytes]:
    """The command in a line of MONITOR."""
    quoted = (each.decode("ascii").encode("latin-1").decode("unicode_escape") for each in _QUOTED.findall(line))
    return [each.encode("latin-1") for each in quoted]


def repeated(first: list[bytes], second: list[bytes]) -> Callable[[int], list[bytes]]:
    """Make the commands anew, as the messages of the room after these, which are in time."""
    for command in (first, second):
        deadline = 3 + int(command[2])
        command[deadline] = b"%d" % (_FAR * int(command[deadline]))

    def again(number: int) -> list[bytes]:
        return second if (number + 3) % _UPKEEP_EVERY else first

    return again


def encoded(command: list[bytes]) -> bytes:
    """A command in Redis' protocol."""
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in command)


def _send_all(connection: socket.socket, answers: Any, data: bytes) -> None:
    """Send while the answers are read, and an ECHO behind all of it, whose answer is the last."""
    sending = threading.Thread(target=connection.sendall, args=(data + encoded([b"ECHO", b"that was all"]),))
    sending.start()
    while answers.readline() not in (b"that was all\r\n", b""):
        pass
    sending.join()
