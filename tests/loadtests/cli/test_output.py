"""What `rtlab` prints where standard output cannot encode its marks."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from loadtests import cli
from tests.loadtests.report import synthetic

PLAN = synthetic.Plan(
    truths={"websocket": synthetic.TRUTHS["websocket"]}, loads=(("50x10", 50, 10.0),), fan_out=(), blocks=1
)


def test_a_narrow_encoding_gets_stand_ins_and_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.make_run(tmp_path / "run", PLAN)
    written = io.BytesIO()
    narrow = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", narrow)
    assert cli.main(["report", str(tmp_path / "run")]) == 0
    said = written.getvalue().decode("ascii")
    assert "*  websocket" in said
    assert "report: " in said
