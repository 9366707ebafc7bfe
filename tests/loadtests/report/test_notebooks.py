"""The notebooks run over a run folder, hold no definitions, and come out the same each time."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.report import notebooks
from loadtests.report.notebooks import execute
from tests.loadtests.report.sweep import make_sweep
from tests.loadtests.report.synthetic import Plan, make_run

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
SMALL = Plan(loads=(("20x10", 20, 10.0), ("40x10", 40, 10.0)), fan_out=(), blocks=2)


@pytest.mark.parametrize("source", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_notebooks_call_and_define_nothing(source: Path) -> None:
    assert not re.search(r"^\s*(def|class)\b|\blambda\b", source.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("source", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_notebooks_name_only_what_there_is(source: Path) -> None:
    """Whether they run is what `make notebooks` shows; this finds a name that was changed at once."""
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    modules = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("loadtests"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                modules[alias.name] = getattr(module, alias.name)
    assert modules
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            assert not inspect.ismodule(owner) or hasattr(owner, node.attr), f"{node.value.id}.{node.attr}"


def test_executed_notebooks_are_reproducible_and_hold_no_path(tmp_path: Path) -> None:
    run_dir, folder = tmp_path / "run", tmp_path / "notebooks"
    make_run(run_dir, SMALL)
    folder.mkdir()
    shutil.copy(NOTEBOOKS / "03_the_guides_table.py", folder)
    texts = []
    for _ in range(2):
        assert notebooks.main(["--run", str(run_dir), "--folder", str(folder)]) == 0
        texts.append((folder / "03_the_guides_table.ipynb").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    cells = json.loads(texts[0])["cells"]
    assert cells[0]["id"] == "03-the-guides-table-01"
    assert any("faster than the guide says" in json.dumps(cell.get("outputs", "")) for cell in cells)


def test_a_failing_cell_is_an_error_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "run", SMALL)
    source = tmp_path / "bad.py"
    source.write_text("# %%\n1 / 0\n")
    assert notebooks.main(["--run", str(tmp_path / "run"), "--folder", str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not source.with_suffix(".ipynb").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadtests.report.notebooks", "--run", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    assert "run.json" in done.stderr


def test_the_notebook_over_links_takes_any_run_that_holds_a_sweep(tmp_path: Path) -> None:
    make_sweep(tmp_path / "run", {"websocket": 30.0, "longpoll": 50.0})

    notebook = execute(NOTEBOOKS / "04_links_and_models.py", tmp_path / "run")

    outputs = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert "image/png" in outputs
    assert "the cheapest is WebSocket" in outputs


def test_a_notebook_whose_own_run_is_missing_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(notebooks.COMMITTED, "mine", "nosuchrun")
    (tmp_path / "mine.py").write_text("# %%\n1 / 0\n")

    assert notebooks.main(["--folder", str(tmp_path)]) == 0
    assert "mine.py: SKIPPED: there is no results/nosuchrun" in capsys.readouterr().err
