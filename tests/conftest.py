"""Fixtures shared by every test: the async backend, and server processes under test.

A test that needs a program this machine lacks is skipped with the program's name; with `CI=true` it fails,
so that a green CI has run everything.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.run.own_redis import find_redis
from tests.contracts.kit.pool import ServerPool, Variant
from tests.contracts.kit.redis_server import RedisProcess
from tests.rewriting import share
from tests.tracing import TESTS, Tracing

# httpcore asks for it whenever it makes a lock, and Python then searches every folder anew.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

# Files with few tests that take long: begun last, they would keep one test process busy while the others wait.
LONG = (
    "page/test_browser_instrument.py",
    "faults/test_quick.py",
    "transports/test_http2.py",
    "transports/test_instances.py",
    "loadtests/cli/test_compare.py",
    "loadtests/load/users/test_generator.py",
    "loadtests/cli/test_foreign.py",
    "loadtests/report/test_notebooks.py",
    "contracts/test_drain.py",
    "contracts/test_fuzz.py",
    "loadtests/load/users/test_locustfile.py",
    "page/test_race_page.py",
    "page/test_accessibility.py",
)
TRACING = pytest.StashKey[Tracing]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TRACING] = Tracing()


def pytest_sessionstart(session: pytest.Session) -> None:
    gc.disable()  # to import and to collect makes a million objects, and hardly any garbage
    share(session.config.args, session.config.getoption("ignore") or ())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is there now stays: each later garbage collection would look through all of it, for 0.4 s."""
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only tests marked `alone` run, leave out files without any: to import them all takes half a minute."""
    only_alone = config.option.markexpr == "alone" and collection_path.name.startswith("test_")
    return True if only_alone and collection_path.is_file() and not _marks_alone(collection_path) else None


def _marks_alone(path: Path) -> bool:
    return "mark.alone" in path.read_text(encoding="utf-8")


@pytest.hookimpl(tryfirst=True)  # before any are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for path in {item.path for item in items if item.get_closest_marker("alone") is not None}:
        if not _marks_alone(path):
            raise pytest.UsageError(f"{path}: say pytest.mark.alone in this very file, or its pass leaves it out")
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.relative_to(TESTS).as_posix(), len(LONG)))


@pytest.fixture(scope="module", autouse=True)
def traced(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set before a file's own fixtures, which may start processes that its tests wait for."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        request.config.stash[TRACING].set_for(request.path, monkeypatch)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contracts")
    group.addoption(
        "--backplanes",
        default=os.environ.get("CONTRACT_BACKPLANES", "memory"),
        help="comma-separated backplanes to run the contract suite over: memory, redis",
    )
    group.addoption(
        "--fanouts",
        default=os.environ.get("CONTRACT_FANOUTS", "direct"),
        help="comma-separated fan-outs to run the contract suite over: direct, portable, ring (direct, by io_uring)",
    )
    group.addoption(
        "--tls",
        action="store_true",
        default=os.environ.get("CONTRACT_TLS") == "1",
        help="run the contract suite, and the fault scenarios, over TLS: https and wss",
    )
    group.addoption(
        "--deployments",
        default="short",
        choices=["short", "full"],
        help="how much of the matrix of tests/deployments to run",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" not in metafunc.fixturenames:
        return
    backplanes = metafunc.config.getoption("--backplanes").split(",")
    fanouts = metafunc.config.getoption("--fanouts").split(",")
    pairs = [(backplane, fanout) for backplane in backplanes for fanout in fanouts]
    ids = ["-".join(pair) + ("-tls" if metafunc.config.getoption("--tls") else "") for pair in pairs]
    metafunc.parametrize("variant", pairs, ids=ids, indirect=True, scope="session")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def missing(program: str) -> None:
    """Skip for want of a program; fail instead where everything must run."""
    reason = f"{program} was not found on this machine"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The system's Chromium: Playwright's own build is not needed.

    Best without its windows, where that is installed: they take two thirds of the processor time of a page.
    """
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if (path := shutil.which(name)) is not None:
            return path
    missing("chromium")
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this session's own, without persistence."""
    with own_redis(tmp_path_factory) as url:
        yield url


@contextmanager
def own_redis(folders: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis until this is left; its URL. Skips, or fails in CI, where there is no program."""
    program = find_redis()
    if program is None:
        missing("redis-server")
    assert program is not None
    redis = RedisProcess(program, folders.mktemp("redis"))
    redis.start()
    try:
        yield redis.url
    finally:
        redis.stop()


@pytest.fixture(scope="session")
def variant(request: pytest.FixtureRequest) -> Variant:
    """The backplane and the fan-out of this run, by `--backplanes` and `--fanouts`, and whether by `--tls`."""
    backplane, fanout = request.param
    url = request.getfixturevalue("redis_url") if backplane == "redis" else ""
    return Variant(backplane, fanout, url, request.config.getoption("--tls"))


@pytest.fixture(scope="session")
def servers(variant: Variant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPool]:
    """Every server of this session. At the end none may have logged a traceback or a token."""
    pool = ServerPool(tmp_path_factory.mktemp("servers"), variant)
    yield pool
    offences = pool.close()
    assert not offences, "\n".join(offences)
