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

PASSED, FAILED, SKIPPED = "", "<failure/>", "<skipped/>"
EVERY_KIND = """
import pytest
def test_passes(): pass
def test_fails(): raise ValueError
@pytest.mark.skip
def test_skips(): pass
@pytest.fixture
def before(): raise ValueError
def test_breaks_in_set_up(before): pass
@pytest.fixture
def after():
    yield
    raise ValueError
def test_breaks_in_tear_down(after): pass
"""


def counted_in(results: Path) -> tuple[str, int]:
    """The printed line and the exit code."""
    counter = [sys.executable, str(ROOT / ".ci" / "count_tests.py"), str(results)]
    counted = subprocess.run(counter, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    return counted.stdout.strip(), counted.returncode


def written(path: Path, **outcomes: str) -> None:
    """Write a JUnit file as pytest does, of tests by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = "".join(f'<testcase classname="test_it" name="{name}">{each}</testcase>' for name, each in outcomes.items())
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


def test_what_pytest_writes_is_counted(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(EVERY_KIND)
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    bare.pop(CONFIG, None)  # nothing of ours runs there
    junit = f"--junitxml={tmp_path / 'results' / '1.xml'}"
    subprocess.run([*pytest_run, junit], env=bare, capture_output=True, timeout=_LIMIT_S, check=False)
    assert counted_in(tmp_path / "results") == ("1 passed, 3 failed, 1 skipped", 1)


@pytest.mark.parametrize(
    ("outcomes", "line", "exit_code"),
    [
        ({"a": PASSED, "b": PASSED}, "2 passed, 0 failed, 0 skipped", 0),
        ({"a": PASSED, "b": SKIPPED}, "1 passed, 0 failed, 1 skipped", 0),
        ({"a": SKIPPED}, "0 passed, 0 failed, 1 skipped", 1),
        ({}, "0 passed, 0 failed, 0 skipped", 1),
    ],
    ids=["passed", "skipped", "only skipped", "none"],
)
def test_a_run_without_a_passed_test_is_a_failure(
    tmp_path: Path, outcomes: dict[str, str], line: str, exit_code: int
) -> None:
    written(tmp_path / "1.xml", **outcomes)
    assert counted_in(tmp_path) == (line, exit_code)


def test_several_runs_are_counted_together(tmp_path: Path) -> None:
    for name, outcome in (("a", PASSED), ("b", FAILED), ("c", SKIPPED)):
        written(tmp_path / f"{name}.xml", **{name: outcome})
    assert counted_in(tmp_path) == ("1 passed, 1 failed, 1 skipped", 1)


def test_the_same_tests_over_tls_count_once_more(tmp_path: Path) -> None:
    written(tmp_path / "1.xml", a=PASSED, b=PASSED)
    written(tmp_path / "tls" / "1.xml", a=PASSED, b=PASSED)
    assert counted_in(tmp_path) == ("4 passed, 0 failed, 0 skipped", 0)
    written(tmp_path / "1.xml", a=FAILED)
    assert counted_in(tmp_path) == ("2 passed, 1 failed, 0 skipped", 1)


def test_a_test_that_was_run_again_counts_as_it_went_at_last(tmp_path: Path) -> None:
    written(tmp_path / "1.xml", a=PASSED, b=FAILED)
    written(tmp_path / "3.xml", b=PASSED)
    assert counted_in(tmp_path) == ("2 passed, 0 failed, 0 skipped", 0)
    written(tmp_path / "3.xml", a=FAILED, b=PASSED)
    assert counted_in(tmp_path) == ("1 passed, 1 failed, 0 skipped", 1)
