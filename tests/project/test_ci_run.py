"""Continuous integration runs every test, and measures those whose coverage has a bar: none twice."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LIMIT_S = 60
_OF_MAKE = ("BUT", "ARGS")


def planned(*arguments: str) -> str:
    """What make would do."""
    # Without the variables of the make that we run in; it exports those of its command line.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name not in _OF_MAKE}
    command = ["make", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=_LIMIT_S, check=True)
    return done.stdout


def test_what_is_measured_is_what_the_other_tests_leave_out() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    asked = [re.search(rf"^step make ({target}\b[^#\n]*)", steps, re.MULTILINE) for target in ("test", "coverage")]
    others, measuring = (planned(*found[1].split()) for found in asked if found is not None)
    left_out = re.findall(r"--ignore=(\S+)", others)
    assert left_out == re.findall(r"(?<!=)\btests/\S+", measuring)
    assert left_out
    assert all((ROOT / each).is_dir() for each in left_out)
    assert re.findall(r"--fail-under=(\d+)", measuring) == ["85", "95"]


def test_the_target_by_itself_leaves_nothing_out() -> None:
    assert "--ignore" not in planned("test")
