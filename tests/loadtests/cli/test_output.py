"""What `rtlab` prints where standard output cannot encode its marks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.loadtests.report import synthetic

PLAN = synthetic.Plan(
    truths={"websocket": synthetic.TRUTHS["websocket"]}, loads=(("50x10", 50, 10.0),), fan_out=(), blocks=1
)


def test_a_narrow_encoding_gets_stand_ins_and_the_exit_code(tmp_path: Path) -> None:
    synthetic.make_run(tmp_path / "run", PLAN)
    program = [sys.executable, "-m", "loadtests.cli", "report", str(tmp_path / "run")]
    done = subprocess.run(
        program, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False, timeout=60
    )
    said = done.stdout.decode("ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "*  websocket" in said
    assert "report: " in said
