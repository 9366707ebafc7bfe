"""One value out of a JSON file that the lab wrote. Whatever is wrong with it is one sentence that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from loadtests.records.errors import RunError

T = TypeVar("T")


def read(path: Path, kind: type[T], noun: str, error: type[Exception] = RunError) -> T:
    """Read the file; `error` where it is not there, can't be read, or holds something else than a `noun`."""
    found = read_if_there(path, kind, noun, error)
    if found is None:
        raise error(f"{path} cannot be read as {noun}: there is no such file")
    return found


def read_if_there(path: Path, kind: type[T], noun: str, error: type[Exception] = RunError) -> T | None:
    """Read the file; None where it is not there, otherwise as `read`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as reason:
        raise error(f"{path} cannot be read as {noun}: {reason}") from reason


def need(path: Path, version: int, known: int, error: type[Exception] = RunError) -> None:
    """Raise `error` unless the file's version is the one that this lab reads."""
    if version != known:
        raise error(f"{path} has version {version}; this lab reads {known}")
