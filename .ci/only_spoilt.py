"""Tell whether the newest run of a folder is sound but for cells that the machine spoilt; exit with 1 if it is not.

Usage: only_spoilt.py FOLDER. In a spoilt cell all arrived, once and in order, but the instrument was late.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loadtests.lab.again import is_spoilt
from loadtests.runs import store
from loadtests.runs.schema import Run, Validity


def faults(run: Run) -> list[str]:
    """What else is wrong with a run than lateness of the machine."""
    found = [] if run.complete else ["the run is not complete"]
    invalid = [cell for cell in run.cells if cell.verdict.validity is Validity.INVALID]
    return found + [f"{cell.id}: {'; '.join(cell.verdict.reasons)}" for cell in invalid if not is_spoilt(cell)]


def main(folder: Path) -> int:
    """See the module's docstring."""
    newest = max(store.listed(folder), key=lambda run: run.name)
    wrong = faults(store.load(newest))
    if not (newest / "report.html").is_file():
        wrong.append("there is no report")
    for line in wrong:
        print(f"{newest.name}: {line}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
