"""The closing line of a test run is true to the run, and a run without a passed test is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LIMIT_S = 60

PASSING = "def test_a(): pass\ndef test_b(): pass\n"
SKIPPING = "import pytest\n@pytest.mark.skip\ndef test_c(): pass\n"
FAILING = "def test_d(): raise ValueError\n"
BROKEN_SETUP = "import pytest\n@pytest.fixture\ndef x(): raise ValueError\ndef test_e(x): pass\n"


def closing_line(folder: Path, source: str) -> tuple[str, int]:
    """Run `source` as a test file of its own, then count; the printed line and the exit code."""
    (folder / "test_it.py").write_text(source)
    junit = folder / "junit.xml"
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder), str(folder)]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    subprocess.run([*pytest_run, f"--junitxml={junit}"], env=bare, capture_output=True, timeout=_LIMIT_S, check=False)
    counter = [sys.executable, str(ROOT / ".ci" / "count_tests.py"), str(junit)]
    counted = subprocess.run(counter, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    return counted.stdout.strip(), counted.returncode


@pytest.mark.parametrize(
    ("source", "line", "exit_code"),
    [
        (PASSING, "2 passed, 0 failed, 0 skipped", 0),
        (PASSING + SKIPPING, "2 passed, 0 failed, 1 skipped", 0),
        (PASSING + FAILING, "2 passed, 1 failed, 0 skipped", 1),
        (PASSING + BROKEN_SETUP, "2 passed, 1 failed, 0 skipped", 1),
        (SKIPPING, "0 passed, 0 failed, 1 skipped", 1),
        ("", "0 passed, 0 failed, 0 skipped", 1),
    ],
    ids=["passed", "skipped", "failed", "broken set-up", "only skipped", "none"],
)
def test_closing_line(tmp_path: Path, source: str, line: str, exit_code: int) -> None:
    assert closing_line(tmp_path, source) == (line, exit_code)
