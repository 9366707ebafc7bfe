"""The passes of a test run: together, alone, and once more what failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from xml.etree import ElementTree

import pytest

from tests import conftest
from tests.tracing import CONFIG

ROOT = Path(__file__).parents[2]
_LIMIT_S = 60

TOGETHER = "def test_together(): pass\n"
ALONE = "import pytest\n@pytest.mark.alone\ndef test_alone(): pass\n"
FAILS_ONCE = """
import pytest
from pathlib import Path
{mark}
def test_second():
    seen = Path("seen")
    if not seen.exists():
        seen.touch()
        raise ValueError
"""
FAILS = "def test_never(): raise ValueError\n"


def passes(folder: Path, source: str) -> tuple[int, dict[str, list[str]]]:
    """Run it; the exit code, and which tests ran in each pass."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    (folder / "test_it.py").write_text(source)
    command = [str(ROOT / ".ci" / "run-pytest"), "junit", "1", sys.executable, "-m", "pytest", "-q", "-p", "xdist"]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    bare.pop(CONFIG, None)  # nothing of ours runs there
    ran = subprocess.run(command, cwd=folder, env=bare, capture_output=True, timeout=_LIMIT_S, check=False)
    found = {
        path.stem: [case.get("name", "") for case in ElementTree.parse(path).getroot().iter("testcase")]
        for path in (folder / "junit").glob("*.xml")
    }
    return ran.returncode, found


def test_what_is_alone_runs_last_and_nothing_runs_twice(tmp_path: Path) -> None:
    assert passes(tmp_path, TOGETHER + ALONE) == (0, {"1-together": ["test_together"], "2-alone": ["test_alone"]})


@pytest.mark.parametrize("mark", ["", "@pytest.mark.alone"])
def test_what_failed_runs_once_more(tmp_path: Path, mark: str) -> None:
    code, found = passes(tmp_path, TOGETHER + FAILS_ONCE.format(mark=mark))
    assert (code, found["3-again"]) == (0, ["test_second"])


def test_what_fails_again_fails(tmp_path: Path) -> None:
    assert passes(tmp_path, TOGETHER + FAILS)[0] == 1


def test_what_cannot_run_is_an_error(tmp_path: Path) -> None:
    assert passes(tmp_path, "def")[0] not in (0, 1)


def test_a_test_is_marked_alone_where_its_pass_looks_for_the_mark() -> None:
    inherited = SimpleNamespace(path=ROOT / "tests" / "project" / "__init__.py", get_closest_marker=str)
    with pytest.raises(pytest.UsageError, match=r"say pytest\.mark\.alone in this very file"):
        conftest.pytest_collection_modifyitems(cast("list[pytest.Item]", [inherited]))
    here = SimpleNamespace(path=Path(__file__), get_closest_marker=str)
    conftest.pytest_collection_modifyitems(cast("list[pytest.Item]", [here]))
