"""What Redis refuses before we begin, and after: the code for everybody, the words for the log, and the end of it."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from core.backplane.base import Lease, Reason
from core.backplane.redis import RedisBackplane
from core.backplane.redis_faults import LinkLostError
from core.backplane.redis_link import Link
from core.backplane.redis_scripts import SCRIPTS
from core.errors import Unavailable
from core.model import Position
from loadtests.run.own_redis import find_redis
from tests.conftest import missing
from tests.contracts.kit.redis_server import RedisProcess
from tests.contracts.kit.server import free_port
from tests.core.backplane.bench import PATIENCE_S, Recorder, listening
from tests.core.backplane.conftest import documented_rules
from tests.core.backplane.kit import ALICE, FREE, ROOM, chat
from tests.core.backplane.test_redis_rights import COMMANDS, limited, rights
from tests.faults.proxy import Chaos, Proxy

OWN = {"auth", "select", "ping", "info", "subscribe", "unsubscribe", "eval", "evalsha", "script|exists", "script|load"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to wait for what cannot come."""
    monkeypatch.setattr("core.backplane.redis_address.CONNECT_S", 0.5)
    monkeypatch.setattr("core.backplane.redis._OPENING_AWAY_S", 0.1)
    monkeypatch.setattr("core.backplane.redis._OPENING_S", 1.0)
    monkeypatch.setattr("core.backplane.redis_caller._AGAIN_S", 0.05)
    monkeypatch.setattr("core.backplane.redis_caller._ATTEND_S", 0.05)
    monkeypatch.setattr("core.backplane.redis_reader._AGAIN_S", 0.05)


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        yield client


async def until_reason(backplane: RedisBackplane, reason: Reason | None) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while backplane.reason != reason:  # noqa: ASYNC110  it is a state of two connections, not an event
            await asyncio.sleep(0.01)
    assert backplane.available is (reason is None)


def test_probe_uses_each_command_of_the_scripts() -> None:
    assert set(COMMANDS) == set(re.findall(r"try\('(\w+)'", SCRIPTS["probe"]))


def test_documented_rights_are_those_that_are_used() -> None:
    granted = {rule[1:] for rule in documented_rules() if rule.startswith("+")}
    assert granted == OWN | {command.lower() for command in COMMANDS}


@pytest.mark.parametrize("withdrawn", ["resetchannels", "-publish", "resetkeys"])
async def test_user_without_a_right_is_refused_before_anything_is_written(
    admin: Redis, redis_url: str, said: list[str], withdrawn: str
) -> None:
    await rights(admin, "reset", *documented_rules(), withdrawn)
    backplane = RedisBackplane(limited(redis_url), FREE)
    async with listening(backplane):
        await until_reason(backplane, "acl")
        for call in (backplane.publish(ROOM, chat("no")), backplane.hold(Lease(ROOM, ALICE, "tab"), 60.0)):
            with pytest.raises(Unavailable):
                await call
        assert await admin.keys("rtlab:2:0:{lobby}*") == []
        assert len(said) == 1
        assert "limited" in said[0]
        assert "pw" not in said[0]
        await rights(admin, *documented_rules())
        await until_reason(backplane, None)
        assert (await backplane.publish(ROOM, chat("hi"))).position.offset == 1


async def test_user_who_may_not_follow_is_reported(admin: Redis, redis_url: str, said: list[str]) -> None:
    await rights(admin, "reset", *documented_rules(), "-subscribe")
    backplane = RedisBackplane(limited(redis_url), FREE)
    async with listening(backplane):
        await until_reason(backplane, "acl")
        with pytest.raises(Unavailable):
            await backplane.subscribe(ROOM)
        assert len(said) == 1
        assert "subscribe" in said[0]


@asynccontextmanager
async def port_with_tls() -> AsyncIterator[int]:
    """A port where a server waits for a ClientHello, as a Redis with TLS does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("begin", "end", "reason", "words"),
    [
        ("redis://:secret@", "/0", "auth", "password|pair"),
        ("redis://nobody:secret@", "/0", "auth", "pair"),
        ("redis://", "/9999", "unreachable", "DB index is out of range"),
        ("rediss://", "/0", "unreachable", "rediss:// needs a port with TLS"),
    ],
)
async def test_wrong_url_is_explained_once(
    redis_url: str, said: list[str], begin: str, end: str, reason: Reason, words: str
) -> None:
    place = redis_url.removeprefix("redis://").removesuffix("/0")
    backplane = RedisBackplane(begin + place + end, FREE)
    async with listening(backplane):
        assert backplane.reason == reason
        with pytest.raises(Unavailable, match="the backplane is away"):
            await backplane.subscribe(ROOM)
    assert len(said) == 1
    assert re.search(words, said[0])
    assert place in said[0]
    assert "secret" not in said[0]


async def test_end_that_comes_with_a_failure_is_not_forgotten(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TaskGroup that fails while it is cancelled raises only its errors: the connection was opened for ever."""
    greeting = asyncio.Event()

    async def fail_when_cancelled(link: Link) -> None:
        try:
            greeting.set()
            await asyncio.sleep(PATIENCE_S)
        except asyncio.CancelledError:
            raise LinkLostError("at the same time") from None

    monkeypatch.setattr(Link, "_greet", fail_when_cancelled)
    async with asyncio.timeout(PATIENCE_S / 2):
        async with RedisBackplane(redis_url, FREE).running(Recorder()):
            await greeting.wait()


async def test_port_with_tls_is_explained(said: list[str]) -> None:
    async with port_with_tls() as port:
        backplane = RedisBackplane(f"redis://127.0.0.1:{port}/0", FREE)
        async with listening(backplane):
            assert backplane.reason == "unreachable"
    assert len(said) == 1
    assert "a port with TLS needs rediss://" in said[0]


async def test_nobody_there_is_explained(said: list[str]) -> None:
    backplane = RedisBackplane(f"redis://no-such-host.invalid:{free_port()}/0", FREE)
    async with listening(backplane):
        assert backplane.reason == "unreachable"
    assert len(said) == 1
    assert "no-such-host.invalid" in said[0]


async def test_cluster_is_refused(tmp_path: Path, said: list[str]) -> None:
    program = find_redis()
    if program is None:
        missing("redis-server")
    assert program is not None
    redis = RedisProcess(program, tmp_path, "--cluster-enabled", "yes")
    while redis.port > 55_535:  # the bus of a cluster listens 10,000 above it
        redis = RedisProcess(program, tmp_path, "--cluster-enabled", "yes")
    redis.start()
    try:
        backplane = RedisBackplane(redis.url, FREE)
        async with listening(backplane):
            await until_reason(backplane, "cluster")
        assert len(said) == 1
        assert "a single server, or one with replicas, is allowed" in said[0]
    finally:
        redis.stop()


async def refuse_memory(admin: Redis, on: bool) -> None:
    await admin.config_set("maxmemory", 1 if on else 0)


async def become_replica(admin: Redis, on: bool) -> None:
    await admin.execute_command("REPLICAOF", *(("127.0.0.1", "1") if on else ("NO", "ONE")))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("turn", "reason"), [(refuse_memory, "oom"), (become_replica, "readonly")])
async def test_health_follows_the_last_write(
    admin: Redis, redis_url: str, said: list[str], turn: Any, reason: Reason
) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM) as recorder:
        await backplane.publish(ROOM, chat("before"))
        await turn(admin, True)
        try:
            with pytest.raises(Unavailable):
                await backplane.publish(ROOM, chat("refused"))
            assert (backplane.available, backplane.reason) == (False, reason)
            with pytest.raises(Unavailable):
                await backplane.sweep()
        finally:
            await turn(admin, False)
        await until_reason(backplane, None)  # by writes of its own: nobody publishes
        assert (await backplane.publish(ROOM, chat("after"))).position.offset == 2
        assert await recorder.offsets(ROOM, 2) == [1, 2]
    assert len(said) == 1


async def test_demoted_master_is_left_for_the_one_at_its_address(admin: Redis, redis_url: str, tmp_path: Path) -> None:
    """As a failover looks from here: the old one answers on, and the address leads to another. Messages move too."""
    program = find_redis()
    assert program is not None
    promoted = RedisProcess(program, tmp_path)
    promoted.start()
    old_port = int(redis_url.rpartition(":")[2].partition("/")[0])
    try:
        async with Proxy(old_port, Chaos(), random.Random(1)).running() as proxy:
            backplane = RedisBackplane(f"redis://127.0.0.1:{proxy.port}/0", FREE)
            async with listening(backplane, ROOM) as recorder:
                before = (await backplane.publish(ROOM, chat("before"))).position
                proxy.target_port = promoted.port
                await become_replica(admin, True)
                with pytest.raises(Unavailable):
                    await backplane.publish(ROOM, chat("refused"))
                async with asyncio.timeout(PATIENCE_S):
                    while backplane._reader.server != backplane._caller.server or not backplane.available:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                after = (await backplane.publish(ROOM, chat("after"))).position
                assert after == Position(after.epoch, 1)
                assert after.epoch != before.epoch
                async with asyncio.timeout(PATIENCE_S):
                    while after not in [event.position for _, event in recorder.delivered]:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
    finally:
        await become_replica(admin, False)
        promoted.stop()
