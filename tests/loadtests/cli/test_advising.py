"""`rtlab advise` refuses in one sentence what it can't use, before it reads a run, and takes a run that is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.cli import main
from tests.loadtests.report import synthetic


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "5/m"], "--rate is '5/m'; allowed: messages of each room as 5/s, 30/min or 100/h"),
        (["--price", "moon"], "no price file 'moon': give the path of a TOML file or one of eu-small"),
        (["--link", "slow"], "link 'slow'"),
        (["hurry"], "'hurry' says nothing here"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"rtlab: {said}")
    assert error.count("\n") == 1


def test_a_run_that_is_not_there_is_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--run", "latest", "--runs", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("rtlab: ")


def test_a_named_run_is_what_figures_are_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "20260102T030405Z-compare-1a2b3c4"
    truths = {name: synthetic.TRUTHS[name] for name in ("websocket", "sse")}
    run = synthetic.make_run(folder, synthetic.Plan(truths=truths, blocks=2, measured_s=2.0))
    assert main(["advise", "10/s", "128B", "--run", str(folder), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["run_id"] == run.run_id
    assert {each["transport"] for each in content["ranked"]} == {"websocket", "sse"}
