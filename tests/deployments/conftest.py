"""Fixtures of the deployments: a certificate, and servers that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.contracts.kit.server import free_port
from tests.contracts.kit.tls import Pair, made_pair
from tests.deployments import matrix
from tests.deployments.document import mounting_code
from tests.deployments.process import Deployed, relayed
from tests.deployments.servers import Loop, Place, Server

_FOLDER = Path(__file__).parent
_MATRIX = {
    "cell": tuple(matrix.cells()),
    "edged": matrix.EDGED,
    "refusal": matrix.REFUSALS,
    "with_redis": matrix.WITH_REDIS,
    "one_worker": matrix.ONE_WORKER,
    "without_lifespan": matrix.WITHOUT_LIFESPAN,
}
Deploy = Callable[..., Awaitable[Deployed]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in _MATRIX.keys() & metafunc.fixturenames:
        metafunc.parametrize(name, _MATRIX[name], ids=str)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--deployments") == "full":
        return
    long = [item for item in items if isinstance(item, pytest.Function) and not _is_short(item)]
    config.hook.pytest_deselected(items=long)
    for item in long:
        items.remove(item)


def _is_short(test: pytest.Function) -> bool:
    if not test.path.is_relative_to(_FOLDER):
        return True
    named = [test.callspec.params[name] for name in _MATRIX if name in test.fixturenames]
    return all(str(each) in matrix.SHORT for each in named)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made_pair(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def deploy(tmp_path: Path, pair: Pair) -> AsyncIterator[Deploy]:
    """Start a server; it need not be ready when this returns."""
    (tmp_path / "mounted.py").write_text(mounting_code())
    async with AsyncExitStack() as stack:

        async def start(
            server: Server,
            *,
            app: str = "all",
            tls: bool = False,
            loop: Loop = "uvloop",
            settings: Mapping[str, str] | None = None,
        ) -> Deployed:
            if find_spec(server.module) is None:
                missing(f"{server.module}, of requirements-deployments.lock,")
            place = Place(f"transports.{app}:app", free_port(), tmp_path, pair if tls else None, loop)
            if "--uds" in server.shown:
                await stack.enter_async_context(relayed(place.port, place.folder / "socket"))
            base_url = f"{'https' if tls else 'http'}://{place.address}{server.prefix}"
            own = {**server.environment, "RTLAB_TRANSPORT": app, **(settings or {})}
            deployed = Deployed(server.command(place), base_url, tmp_path / "log", own)
            stack.callback(deployed.kill)
            return deployed

        yield start
