"""Under servers that are not uvicorn: rooms are drained when the server is asked to end, and by what it is sent."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace

import pytest

from tests.transports.served import Run
from transports.shutdown import drained_at_shutdown

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def shutting_down(drain: Callable[[], None]) -> AbstractAsyncContextManager[None]:
    return drained_at_shutdown(drain, lambda: 0, 5.0)


@pytest.mark.parametrize("number", SIGNALS)
def test_drain_begins_and_the_handler_of_the_loop_is_called_too(run: Run, number: signal.Signals) -> None:
    async def serve() -> None:
        ended, drained = asyncio.Event(), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with shutting_down(drained.set):
            os.kill(os.getpid(), number)
            async with asyncio.timeout(5.0):
                await drained.wait()
                await ended.wait()

    run(serve())


def test_what_waits_for_a_drain_goes_on_before_the_handler_of_the_loop(run: Run) -> None:
    """Granian's cuts WebSockets off a moment later."""

    async def serve() -> None:
        order: list[str] = []
        drained, ended = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            await drained.wait()
            order.append("written")

        def cut_off() -> None:
            order.append("cut off")
            ended.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cut_off)
        async with shutting_down(drained.set), asyncio.timeout(5.0), asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
            await ended.wait()
        assert order == ["written", "cut off"]

    run(serve())


@pytest.mark.parametrize("number", SIGNALS)
async def test_plain_handler_is_called_too_and_stays_the_servers(number: signal.Signals) -> None:
    received: list[int] = []

    def handler(number: int, stack: object) -> None:
        received.append(number)

    signal.signal(number, handler)
    drained = asyncio.Event()
    async with shutting_down(drained.set):
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5.0):
            await drained.wait()
    assert received == [number]
    assert signal.getsignal(number) is handler


def test_a_loop_that_sleeps_wakes_up_to_a_drain_whatever_the_handler_does(run: Run) -> None:
    signal.signal(signal.SIGTERM, lambda number, stack: None)

    async def serve() -> None:
        drained, began_s = asyncio.Event(), time.monotonic()
        killing = threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGTERM])
        async with shutting_down(drained.set):
            killing.start()
            async with asyncio.timeout(5.0):
                await drained.wait()
        assert time.monotonic() - began_s < 3.0, "it woke up by the timeout"

    run(serve())


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_signal_that_no_server_handles_is_left_alone(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGTERM, handler)
    async with shutting_down(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is handler


async def test_event_by_which_hypercorn_ends_its_workers_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    ending, drained = threading.Event(), asyncio.Event()
    process = SimpleNamespace(name="SpawnProcess-1", _args=(), _kwargs={"shutdown_event": ending})
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    async with shutting_down(drained.set):
        assert not drained.is_set()
        ending.set()
        async with asyncio.timeout(5.0):
            await drained.wait()


async def test_lifespan_lasts_while_somebody_listens() -> None:
    done: list[str] = []

    def connections() -> int:
        done.append("looked")
        return len(done) < 4

    async with asyncio.timeout(30.0), drained_at_shutdown(lambda: done.append("drained"), connections, 60.0):
        pass
    assert done == ["drained", "looked", "looked", "looked"]


async def test_who_listens_for_ever_is_not_waited_for() -> None:
    async with asyncio.timeout(30.0), drained_at_shutdown(lambda: None, lambda: 1, 0.01):
        pass
