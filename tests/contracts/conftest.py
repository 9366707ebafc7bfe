"""Fixtures of the contract suite: the target, its server, a room of its own, and clients that get closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.kit.clients import RoomClient
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import HTTP2_TARGETS, TARGETS, Connect, Target, TokenOf, make_client, unique

# With a certificate from files instead of one of their own, HTTP/2 servers are asked for this, and nothing else.
_OVER_TLS_AGAIN = "test_delivery.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run over TLS once more only what it can change: HTTP/2 is over TLS in every run, and the kit's parsers never."""
    if not config.getoption("--tls"):
        return
    same = {item for item in items if isinstance(item, pytest.Function) and _is_the_same_over_tls(item)}
    config.hook.pytest_deselected(items=list(same))
    items[:] = [item for item in items if item not in same]


def _is_the_same_over_tls(test: pytest.Function) -> bool:
    if test.path.parent != Path(__file__).parent or test.path.name == _OVER_TLS_AGAIN:
        return False
    target = test.callspec.params.get("target") if hasattr(test, "callspec") else None
    return target in HTTP2_TARGETS or test.path.name == "test_kit.py"


@pytest.fixture(params=TARGETS, ids=str)
def target(request: pytest.FixtureRequest) -> Target:
    """Overridden by `parametrize("target", …)` where a test is about some transports only."""
    wanted: Target = request.param
    return wanted


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    """The session's server for this target, with default settings."""
    return servers.shared(target.server)


@pytest.fixture
def every(servers: ServerPool) -> ServerProcess:
    """The session's `all` server, with default settings."""
    return servers.shared("all")


@pytest.fixture
def room() -> str:
    return unique("room")


@pytest.fixture
async def connect(request: pytest.FixtureRequest, room: str) -> AsyncIterator[Connect]:
    """Clients of this test's room. The user's name is made unique: `alice` stays one user within the test."""
    suffix = unique("")
    clients: list[RoomClient] = []
    names = request.fixturenames
    default_target: Target | None = request.getfixturevalue("target") if "target" in names else None
    default_server = "server" if "server" in names else "every"

    async def make(
        user: str = "alice",
        *,
        since: object = None,
        transport: str | None = None,
        room: str | None = room,
        token: TokenOf = sign,
        server: ServerProcess | None = None,
        join: bool = True,
    ) -> RoomClient:
        where: ServerProcess = server or request.getfixturevalue(default_server)
        how = transport or (default_target.transport if default_target is not None else "websocket")
        client = make_client(where, how, room or unique("room"), f"{user}{suffix}", token)
        clients.append(client)
        if join:
            await client.connect(since)
        return client

    yield make
    for client in clients:
        await client.close()
