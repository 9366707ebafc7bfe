"""What a scenario runs against: servers that share a Redis, each behind a proxy."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.load.clients.base import Access, Endpoint
from loadtests.run.own_redis import find_redis
from tests.contracts.kit.pool import FANOUTS
from tests.contracts.kit.server import ServerProcess, ServerSpec
from tests.contracts.kit.tls import made_pair
from tests.contracts.kit.tokens import sign
from tests.faults.proxy import HOST, Chaos, Proxy
from tests.faults.redis_server import MortalRedis

DEFAULTS: Mapping[str, str] = {
    "RATE": "0",
    "HEARTBEAT_SECONDS": "2",
    "PRESENCE_TTL_SECONDS": "3",
    "HISTORY_EVENTS": "20000",
    "DRAIN_SECONDS": "5",
}


class NoRedisError(Exception):
    """There is no Redis on this machine."""


@dataclass(slots=True)
class Fleet:
    """Instances of one service and their Redis."""

    redis: MortalRedis
    servers: list[ServerProcess]
    proxies: list[Proxy]
    chaos: Chaos
    folder: Path
    offences: list[str] = field(default_factory=list)

    def access(self, number: int, room: str, user: str, *, proxied: bool = True) -> Access:
        """A user's way to an instance; numbers wrap around."""
        number %= len(self.servers)
        port = self.proxies[number].port if proxied else self.servers[number].port
        return Access(Endpoint(HOST, port, self.servers[number].spec.tls), room, sign(user, lifetime_s=7200))

    def kill(self, number: int) -> None:
        """SIGKILL an instance."""
        self.servers[number].process.kill()
        self.servers[number].process.wait()

    async def start(self, number: int) -> None:
        """Start an instance (again) on its port, and wait until it is well."""
        await asyncio.to_thread(self.servers[number].start)

    @property
    def resets(self) -> int:
        return sum(proxy.resets for proxy in self.proxies)


@dataclass(frozen=True, slots=True)
class _Service(ServerSpec):
    """A server that may listen on more than the loopback address."""

    host: str = HOST

    def arguments(self, port: int) -> list[str]:
        arguments = ServerSpec.arguments(self, port)
        arguments[arguments.index("--host") + 1] = self.host
        return arguments


@asynccontextmanager
async def fleet(
    folder: Path,
    *,
    instances: int = 2,
    aof: bool = False,
    settings: Mapping[str, str] | None = None,
    host: str = HOST,
) -> AsyncIterator[Fleet]:
    """Start Redis, servers (transport `all`) and proxies; at the end collect what the servers logged."""
    program = find_redis()
    if program is None:
        raise NoRedisError("no redis-server or valkey-server on this machine")
    redis = MortalRedis(program, folder, aof=aof)
    chaos = Chaos()
    async with AsyncExitStack() as stack:
        await redis.start()
        stack.callback(redis.stop)
        wanted = {**DEFAULTS, "REDIS_URL": redis.url, **(settings or {})}
        fanout = os.environ.get("FAULTS_FANOUT", "")
        wanted = wanted | FANOUTS[fanout] if fanout else wanted
        pair = made_pair(folder) if os.environ.get("FAULTS_TLS") == "1" else None
        service = _Service("all", tuple(sorted(wanted.items())), "forked", pair, host)
        servers = [ServerProcess(service, folder / f"server-{number}.log") for number in range(instances)]
        running = Fleet(redis, servers, [], chaos, folder)
        for server in servers:
            stack.callback(_end, server, running.offences)
        await asyncio.gather(*(running.start(number) for number in range(instances)))
        for server in servers:
            proxy = Proxy(server.port, chaos, random.Random(server.port))
            running.proxies.append(await stack.enter_async_context(proxy.running()))
        yield running


def _end(server: ServerProcess, offences: list[str]) -> None:
    if server.started:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
        server.stop()
        offences.extend(server.log_offences())
