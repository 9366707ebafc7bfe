"""The notebooks run over a run folder, hold no definitions, and come out the same each time."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Costs
from loadtests.report import notebooks, sentences
from loadtests.report.charts import drawing
from loadtests.report.study import study
from tests.loadtests.report.played import play
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

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


SHORT = """# %%
import os
from pathlib import Path

from loadtests.report import sentences, shown
from loadtests.report.charts.latency import latency_ecdf
from loadtests.report.study import study

found = study(Path(os.environ["RTLAB_RUN"]))
shown.picture(latency_ecdf, found, sentences.ecdf(found))
"""
"""What all notebooks do, once; `make notebooks` executes them."""


def test_executed_notebooks_are_reproducible_and_hold_no_path(tmp_path: Path) -> None:
    run_dir, folder = tmp_path / "run", tmp_path / "notebooks"
    make_run(run_dir, SMALL)
    folder.mkdir()
    (folder / "01_short.py").write_text(SHORT)
    texts = []
    for _ in range(2):
        assert notebooks.main(["--run", str(run_dir), "--folder", str(folder)]) == 0
        texts.append((folder / "01_short.ipynb").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    (cell,) = json.loads(texts[0])["cells"]
    assert cell["id"] == "01-short-01"
    assert ["image/png" in output["data"] for output in cell["outputs"]] == [True, False]
    assert sentences.ecdf(study(run_dir)) in "".join(cell["outputs"][1]["data"]["text/markdown"])


def test_a_failing_cell_is_an_error_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "run", SMALL)
    source = tmp_path / "bad.py"
    source.write_text("# %%\n1 / 0\n")
    assert notebooks.main(["--run", str(tmp_path / "run"), "--folder", str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not source.with_suffix(".ipynb").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("# %%\n1 / 0\n")
    assert notebooks.main(["--run", str(tmp_path), "--folder", str(tmp_path)]) == 1
    assert "run.json" in capsys.readouterr().err


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw with few dots: what is drawn does not depend on it."""
    monkeypatch.setattr(drawing, "_DOTS_PER_INCH", 20)


LACKING = {
    "01_latency": "No two transports were measured under one load",
    "02_fanout_and_cost": sentences.ONE_SIZE,
    "03_the_guides_table": "Not measured here: WebSocket, long polling and HTTP/2 push.",
    "04_links_and_models": "This run holds no sweep",
    "05_is_it_true": "Not measured beside this run",
    "06_claims": "not tested in this run",
    "07_measured_again": "published tables",  # those of the reference
}


@pytest.fixture(scope="module")
def locust_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run as plain Locust leaves it: one transport, one load, one block, no look into the server."""
    folder = tmp_path_factory.mktemp("locust")
    run = make_run(folder, Plan(truths={"sse": Truth()}, loads=SMALL.loads[:1], fan_out=(), blocks=1))
    unknown = Costs(None, 45.0, None, None, None, None, None, None, 6.0)
    cells = [msgspec.structs.replace(cell, costs=unknown) for cell in run.cells]
    (folder / "run.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=tuple(cells))))
    return folder


@pytest.mark.parametrize("source", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_notebook_says_what_a_small_run_lacks_and_concludes(
    source: Path, locust_run: Path, coarse: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    *cells, conclusion = play(source, locust_run, monkeypatch)
    assert LACKING[source.stem] in " ".join(getattr(cell, "data", "") for cell in cells)
    assert conclusion.data


def test_the_notebook_over_links_takes_any_run_that_holds_a_sweep(
    sweep_dir: Path, coarse: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, conclusion = play(NOTEBOOKS / "04_links_and_models.py", sweep_dir, monkeypatch)
    assert "the cheapest in time depends" in conclusion.data


def test_a_notebook_whose_own_run_is_missing_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(notebooks.COMMITTED, "mine", "nosuchrun")
    (tmp_path / "mine.py").write_text("# %%\n1 / 0\n")

    assert notebooks.main(["--folder", str(tmp_path)]) == 0
    assert "mine.py: SKIPPED: there is no results/nosuchrun" in capsys.readouterr().err
