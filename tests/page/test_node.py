"""The page's modules under node: the tests are in `node/`, one result per file here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

FILES = sorted((Path(__file__).parent / "node").glob("*.test.mjs"))
LIMIT_S = 120


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_modules_under_node(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        missing("node")
    assert node is not None
    command = [node, "--test", "--test-reporter=tap", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout
