"""A client class of somebody's own, by the adapter's `client = "file.py:Class"` or `"module:Class"`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.records.errors import AdapterError

C = TypeVar("C", bound=AdaptedClient)


def own_class(named: str, base: type[C]) -> type[C]:
    """Return the class that `named` names; AdapterError unless it can be imported and derives from `base`."""
    place, _, name = named.rpartition(":")
    found = getattr(_module(place), name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise AdapterError(f"client is {named}; allowed: a class that derives from {base.__module__}.{base.__name__}")
    return found


@cache
def _module(place: str) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        name = f"rtlab_client_{abs(hash(place))}"
        spec = importlib.util.spec_from_file_location(name, Path(place))
        if spec is None or spec.loader is None:
            raise ImportError("no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Exception as reason:  # noqa: BLE001  # somebody's own code may raise anything
        raise AdapterError(f"client's {place} can't be imported: {type(reason).__name__}: {reason}") from None
    return module
