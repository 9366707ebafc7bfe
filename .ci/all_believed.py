"""Check that each cell was measured, valid or doubtful, in at least one of the runs of a folder; exit with 1 if not.

Usage: all_believed.py FOLDER. A cell may be invalid in other runs if only the machine spoilt it: everything arrived,
once and in order, but the instrument was late. Anything else that is wrong in any of the runs is a fault.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.records import store
from loadtests.records.repeats import original
from loadtests.records.schema import Run, Validity
from loadtests.run.plan import spoilt_by_environment


def faults(runs: Sequence[Run]) -> list[str]:
    """What is wrong with runs of one scenario, taken together."""
    found = [f"{run.run_id}: not complete" for run in runs if not run.complete]
    cells = [cell for run in runs for cell in run.cells]
    believed = {original(cell.id) for cell in cells if cell.verdict.validity is not Validity.INVALID}
    wrong = [each for each in cells if each.verdict.validity is Validity.INVALID and not spoilt_by_environment(each)]
    found += [f"{cell.id}: {'; '.join(cell.verdict.reasons)}" for cell in wrong]
    never = sorted({original(cell.id) for cell in cells} - believed)
    return found + [f"{cell_id}: invalid each time" for cell_id in never]


def main(folder: Path) -> int:
    """See the module's docstring."""
    listed = store.listed(folder)
    wrong = faults([store.load(run) for run in listed])
    wrong += [f"{run.name}: there is no report" for run in listed if not (run / "report.html").is_file()]
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
