"""The closing line of a test run is right, and a run without a passed test is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracing import CONFIG

ROOT = Path(__file__).parents[2]
_LIMIT_S = 60

PASSING = "def test_a(): pass\ndef test_b(): pass\n"
SKIPPING = "import pytest\n@pytest.mark.skip\ndef test_c(): pass\n"
FAILING = "def test_d(): raise ValueError\n"
BROKEN_SETUP = "import pytest\n@pytest.fixture\ndef x(): raise ValueError\ndef test_e(x): pass\n"


def closing_line(folder: Path, *sources: str) -> tuple[str, int]:
    """Run each of `sources` as a test run of its own, then count; the printed line and the exit code."""
    for number, source in enumerate(sources):
        run_tests(folder / "tests", source, folder / "results" / f"{number}.xml")
    return counted_in(folder / "results")


def counted_in(results: Path) -> tuple[str, int]:
    counter = [sys.executable, str(ROOT / ".ci" / "count_tests.py"), str(results)]
    counted = subprocess.run(counter, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    return counted.stdout.strip(), counted.returncode


def run_tests(folder: Path, source: str, junit: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "test_it.py").write_text(source)
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder), str(folder)]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    bare.pop(CONFIG, None)  # nothing of ours runs there
    subprocess.run([*pytest_run, f"--junitxml={junit}"], env=bare, capture_output=True, timeout=_LIMIT_S, check=False)


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


def test_several_runs_are_counted_together(tmp_path: Path) -> None:
    assert closing_line(tmp_path, PASSING, FAILING, SKIPPING) == ("2 passed, 1 failed, 1 skipped", 1)


def test_the_same_tests_over_tls_count_once_more(tmp_path: Path) -> None:
    for name in ("1.xml", "tls/1.xml"):
        run_tests(tmp_path / "tests", PASSING, tmp_path / "results" / name)
    assert counted_in(tmp_path / "results") == ("4 passed, 0 failed, 0 skipped", 0)
    run_tests(tmp_path / "tests", "def test_a(): raise ValueError\n", tmp_path / "results" / "1.xml")
    assert counted_in(tmp_path / "results") == ("2 passed, 1 failed, 0 skipped", 1)


def test_a_test_that_was_run_again_counts_as_it_went_at_last(tmp_path: Path) -> None:
    mended = "def test_d(): pass\n"
    assert closing_line(tmp_path, PASSING + FAILING, mended) == ("3 passed, 0 failed, 0 skipped", 0)
    assert closing_line(tmp_path, PASSING + mended, FAILING) == ("2 passed, 1 failed, 0 skipped", 1)
