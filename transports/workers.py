"""Several worker processes without Redis: each would have rooms of its own, so none starts.

An app cannot ask its server how many workers it runs, so we look at the process. uvicorn and Hypercorn pass their
config to the worker process, Granian its number. The masters of gunicorn and Granian are on the stack of what they
fork, and gunicorn's knows of SIGTTIN too.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any, Final

from core.settings import SettingError, Settings

_MASTERS: Final = {"gunicorn.arbiter": "num_workers", "granian.server.mp": "workers"}


def refuse_split_rooms(settings: Settings) -> None:
    """Raise SettingError in a worker that is one of several, unless Redis holds the rooms."""
    if settings.redis_url is None and (workers := workers_here()) > 1:
        raise SettingError(
            f"{workers} workers need RTLAB_REDIS_URL, a Redis that holds their rooms: without it one worker is allowed"
        )


def workers_here() -> int:
    """How many workers the server that started this process runs: at least; 1 where nothing says so."""
    return max(_of_config(), _of_number(), _of_master())


def _of_config() -> int:
    """By the config that uvicorn and Hypercorn start a worker process with."""
    config: Any = _started_with("_kwargs", {}).get("config")
    reloading = bool(getattr(config, "reload", False))  # then uvicorn starts one, whatever it was asked for
    workers = getattr(config, "workers", 1)
    return workers if isinstance(workers, int) and not reloading else 1


def _of_number() -> int:
    """By the number that Granian gives a worker process, counted from 1."""
    arguments = _started_with("_args", ())
    if multiprocessing.current_process().name != "granian-worker" or not arguments:
        return 1
    return arguments[0] if isinstance(arguments[0], int) else 1


def _started_with(name: str, default: Any) -> Any:
    """What `multiprocessing` keeps of the arguments of this process, if it started it."""
    return default if multiprocessing.parent_process() is None else getattr(multiprocessing.current_process(), name)


def _of_master() -> int:
    """By the master in whose call a forked worker runs."""
    frame = sys._getframe() if _MASTERS.keys() & sys.modules.keys() else None
    while frame is not None:
        master: Any = frame.f_locals.get("self")
        counted = _MASTERS.get(type(master).__module__)
        workers = None if counted is None else getattr(master, counted, None)
        if isinstance(workers, int):
            return workers
        frame = frame.f_back
    return 1
