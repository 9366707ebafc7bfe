"""The servers of systems while they are measured: all that are compared start at once, and those not in turn are idle.

Python takes a second of CPU to start. So what runs one after the other starts together, on all cores, before anything
is measured; then each server is put on its core. They end together too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from loadtests.evidence.bench.systems import System, server_environ
from loadtests.records.errors import LabError
from loadtests.run.process import Child
from loadtests.run.servers import free_port, listens

Result = dict[str, Any]

_NOT_PYTHON: Final = ("floor", "floor coalescing", "nchan", "ws, node", "Socket.IO, node")  # they start at once
_EACH_S, _ALL_S = 0.25, 1.3  # starting and ending: of each in Python, with two cores; and of them all
_BRIEF_S: Final = 0.4  # the same, of those only that are not
_START_S: Final = 20.0
_STOP_S: Final = 1.0  # plain Starlette never ends while a poll waits
_SETTLE_S: Final = 0.2


@dataclass(frozen=True)
class Running:
    """A started system."""

    port: int
    pids: tuple[int, ...]


@contextmanager
def started(asked: Sequence[System], cores: frozenset[int]) -> Iterator[list[Running | LabError]]:
    """Start systems at once, each on a free port, and put them on `cores` when all listen; end them by pid.

    In place of one that did not come up there is the error that says so. The same system may be asked for twice.
    """
    with tempfile.TemporaryDirectory(prefix="rtlab-bench-") as folder, ExitStack() as ending:
        begun: list[tuple[Child, int] | LabError] = []
        children: list[Child] = []
        ending.callback(_end, children)
        for number, (system, port) in enumerate(zip(asked, _free_ports(len(asked)), strict=True)):
            try:
                children.append(_begun(system, port, Path(folder) / str(number)))
                begun.append((children[-1], port))
            except LabError as error:
                begun.append(error)
        found = [_listening(system, each) for system, each in zip(asked, begun, strict=True)]
        time.sleep(_SETTLE_S)  # nginx forks its worker after it listens
        yield [_put_on(cores, each) for each in found]


@contextmanager
def running(system: System, cores: frozenset[int]) -> Iterator[Running]:
    """Start one system. Raises LabError when it does not come up."""
    with started([system], cores) as (server,):
        yield up(server)


def starting_s(names: Collection[str]) -> float:
    """About how long it takes on a quiet machine until these have started together, and until they have ended."""
    in_python = sum(name not in _NOT_PYTHON for name in names)
    return _ALL_S + _EACH_S * in_python if in_python else _BRIEF_S


def up(server: Running | LabError) -> Running:
    """A server of `started`. Raises LabError where it did not come up."""
    if isinstance(server, LabError):
        raise server
    return server


def attempt(work: Callable[[], Result]) -> Result | LabError:
    """What `work` finds, or why it found nothing: the other systems are measured all the same."""
    try:
        return work()
    except LabError as error:
        return error


def _free_ports(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:  # a port that nobody listens to yet can be given twice
        found.add(free_port())
    return list(found)


def _begun(system: System, port: int, folder: Path) -> Child:
    folder.mkdir()
    return Child(system.command(port, folder), log=folder / "log", environment=server_environ())


def _listening(system: System, begun: tuple[Child, int] | LabError) -> tuple[Child, int] | LabError:
    if isinstance(begun, LabError):
        return begun
    child, port = begun
    if listens(port, _START_S, lambda: child.exit_code() is not None):
        return begun
    why = child.log_text().strip()[-400:]
    return LabError(f"{system.name} does not listen after {_START_S:g} s, or ended: {why}")


def _put_on(cores: frozenset[int], begun: tuple[Child, int] | LabError) -> Running | LabError:
    if isinstance(begun, LabError):
        return begun
    child, port = begun
    pids = (child.pid, *(each.pid for each in psutil.Process(child.pid).children(recursive=True)))
    if cores:
        for task in (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()):
            with suppress(ProcessLookupError):  # a thread may end meanwhile
                os.sched_setaffinity(int(task.name), cores)
    return Running(port, pids)


def _end(children: Sequence[Child]) -> None:
    for child in children:
        child.ask_to_end()
    for child in children:
        child.stop(_STOP_S)
