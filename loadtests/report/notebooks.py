"""Execute the notebooks over a run and write the .ipynb beside each .py: same run, same bytes.

    python -m loadtests.report.notebooks                     # over results/reference; 04 over results/links
    python -m loadtests.report.notebooks --run results/runs/… --check

Needs the development dependencies (jupytext, nbclient).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.records.errors import RunError
from loadtests.report.load import load_run

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUN_VARIABLE = "RTLAB_RUN"
"""The environment variable that names a notebook's run folder."""

COMMITTED = {"04_links_and_models": "links"}
"""Notebooks made for a run of another kind than the reference: by stem, its folder in `results/`."""

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 300


def execute(source: Path, run_dir: Path) -> NotebookNode:
    """Run one percent-format script as a notebook, in its own folder, and strip what changes from run to run.

    Raises nbclient's `CellExecutionError` where a cell fails.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook: NotebookNode = jupytext.read(source)
    os.environ[RUN_VARIABLE] = str(run_dir.resolve())
    resources = {"metadata": {"path": str(source.parent)}}
    quiet = ["--log-level=ERROR"]  # the kernel warns of its own loopback sockets
    client = NotebookClient(
        notebook, timeout=_TIMEOUT_S, kernel_name="python3", resources=resources, extra_arguments=quiet
    )
    client.execute()
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{source.stem.replace('_', '-')}-{number:02d}"
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main(arguments: list[str] | None = None) -> int:
    """Execute every notebook; 1 with a sentence on stderr where the run or a cell is at fault."""
    import nbformat
    from nbclient.exceptions import CellExecutionError

    parser = argparse.ArgumentParser(prog="python -m loadtests.report.notebooks", description=main.__doc__)
    parser.add_argument(
        "--run", type=Path, metavar="RUN_DIR", help="for all notebooks; else each is executed over a run of results/"
    )
    parser.add_argument("--folder", type=Path, default=_ROOT / "notebooks", help="where the .py files are")
    parser.add_argument("--check", action="store_true", help="execute only, write nothing")
    options = parser.parse_args(arguments)
    for source in sorted(options.folder.glob("*.py")):
        run_dir = options.run or _ROOT / "results" / COMMITTED.get(source.stem, "reference")
        if options.run is None and not run_dir.exists():
            sys.stderr.write(f"{source.name}: SKIPPED: there is no results/{run_dir.name} (results/README.md)\n")
            continue
        try:
            load_run(run_dir)
            notebook = execute(source, run_dir)
        except RunError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except CellExecutionError as error:
            sys.stderr.write(f"{source.name}: {error}\n")
            return 1
        if not options.check:
            text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
            source.with_suffix(".ipynb").write_text(f"{text}\n", encoding="utf-8")
        sys.stdout.write(f"{source.name}: {len(notebook.cells)} cells executed\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
