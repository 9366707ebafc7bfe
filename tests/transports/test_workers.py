"""One of several workers is known by what its server started it with; the servers themselves: `tests/deployments`."""

from __future__ import annotations

import multiprocessing
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from core.settings import SettingError, Settings
from tests.transports.access import SECRET
from transports.app import create_app
from transports.workers import refuse_split_rooms, workers_here

Patch = pytest.MonkeyPatch


def started_with(patch: Patch, name: str = "SpawnProcess-1", *arguments: Any, **named: Any) -> None:
    """As if `multiprocessing` had started this process."""
    process = SimpleNamespace(name=name, _args=arguments, _kwargs=named)
    patch.setattr(multiprocessing, "parent_process", lambda: object())
    patch.setattr(multiprocessing, "current_process", lambda: process)


@pytest.mark.parametrize(
    ("config", "workers"),
    [
        (SimpleNamespace(workers=3, reload=False), 3),  # uvicorn
        (SimpleNamespace(workers=3), 3),  # Hypercorn
        (SimpleNamespace(workers=1, reload=False), 1),
        (SimpleNamespace(workers=3, reload=True), 1),  # uvicorn's reloader starts one, whatever WEB_CONCURRENCY says
        (None, 1),
        (SimpleNamespace(workers="many"), 1),  # of a program that we do not know
    ],
)
def test_config_of_a_worker_process_says_how_many(monkeypatch: Patch, config: Any, workers: int) -> None:
    started_with(monkeypatch, config=config)
    assert workers_here() == workers


@pytest.mark.parametrize(("number", "workers"), [(1, 1), (2, 2)])
def test_granian_numbers_its_workers(monkeypatch: Patch, number: int, workers: int) -> None:
    started_with(monkeypatch, "granian-worker", number, "name", "loader")
    assert workers_here() == workers


def test_process_of_somebody_elses_multiprocessing_is_alone(monkeypatch: Patch) -> None:
    started_with(monkeypatch, "SpawnProcess-1", 7)
    assert workers_here() == 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("module", "attribute"), [("gunicorn.arbiter", "num_workers"), ("granian.server.mp", "workers")]
)
def test_master_that_forks_is_found_on_the_stack(monkeypatch: Patch, module: str, attribute: str, workers: int) -> None:
    class Master:
        def spawn(self) -> int:
            return workers_here()

    Master.__module__ = module
    monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    master = Master()
    setattr(master, attribute, workers)
    assert master.spawn() == workers


def test_process_that_no_server_started_is_alone() -> None:
    assert workers_here() == 1


def test_several_workers_are_refused_by_a_sentence_that_names_redis(monkeypatch: Patch) -> None:
    started_with(monkeypatch, config=SimpleNamespace(workers=2))
    with pytest.raises(SettingError, match=r"^2 workers need RTLAB_REDIS_URL.*one worker is allowed$"):
        refuse_split_rooms(Settings())
    refuse_split_rooms(Settings(redis_url="redis://127.0.0.1"))


async def test_app_does_not_start_as_one_of_several(monkeypatch: Patch) -> None:
    app = create_app("sse", Settings(secret=SECRET))
    started_with(monkeypatch, config=SimpleNamespace(workers=2))
    with pytest.raises(SettingError, match="RTLAB_REDIS_URL"):
        async with app.router.lifespan_context(app):
            pass
