"""Each of several test processes begins to import files elsewhere, and leaves to the others what they come to first.

What pytest makes of a file's asserts is kept beside it, for all. Where nothing is yet, as in a new clone, all processes
would else make it of every file, in the same order, which takes half of the time of their start.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def share(asked: Iterable[str], ignored: Sequence[str]) -> None:
    """Import this process's part of the files under `asked`; what fails fails once more when it is collected."""
    number, processes = (os.environ.get(f"PYTEST_XDIST_WORKER{part}", "") for part in ("", "_COUNT"))
    if not number:
        return
    left_out = tuple((ROOT / each).resolve() for each in ignored)
    files = sorted(file for each in asked for file in (ROOT / each).rglob("test_*.py"))
    ours = [file for file in files if not any(file.is_relative_to(each) for each in left_out)]
    for file in ours[int(number.removeprefix("gw")) :: int(processes)]:
        with suppress(Exception, pytest.skip.Exception):
            _import(file)


def _import(file: Path) -> None:
    """Import a file, and first what pytest would have imported: the conftest of each folder above it."""
    folders = reversed([folder for folder in file.parents if folder.is_relative_to(ROOT / "tests")])
    for each in (*(folder / "conftest.py" for folder in folders), file):
        if each.exists():
            importlib.import_module(".".join(each.relative_to(ROOT).with_suffix("").parts))
