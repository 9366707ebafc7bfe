"""The end of every command that makes or reads a run: table, thresholds, report, exports, exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from loadtests.records import repeats, store
from loadtests.records import storm as storm_records
from loadtests.records.errors import LabError, RunError
from loadtests.records.schema import Run, Validity
from loadtests.report import capacity as brackets
from loadtests.report import clocks, cuts, export, guide_table, page, storm, terminal, theirs
from loadtests.report.study import Study, study
from loadtests.report.thresholds import Threshold, judge
from loadtests.report.verdicts.evidence import gather

OK, FAILED, THRESHOLD_BROKEN, SOME_INVALID, INTERRUPTED = 0, 1, 3, 4, 130


def report(run: str, runs_folder: Path, *, wide: bool = False) -> int:
    """Print the end of an earlier run and write its report again; return the exit code."""
    folder = store.find(runs_folder, run)
    if (storms := storm_records.read(folder)) is not None and not store.load(folder).cells:
        print(storm.render_text(storms))
        return SOME_INVALID if storm.offences(storms) else OK
    return conclude(folder, store.load(folder), wide=wide)


def conclude(folder: Path, run: Run, thresholds: Sequence[Threshold] = (), *, wide: bool = False) -> int:
    """Print what the run says, its table and what is against it; write the report and the exports, and say where.

    The table has at most 100 columns, or with `wide` every figure. Returns the exit code: a broken threshold counts
    more than an invalid cell, and that more than a report that could not be written. LabError if there is nothing to
    report.
    """
    if not any(cell.costs is not None for cell in run.cells):
        reasons = sorted({reason for cell in run.cells for reason in cell.verdict.reasons})
        raise LabError(f"no cell of {folder} has data" + (f": {'; '.join(reasons)}" if reasons else f": {run.note}"))
    worked_out = study(folder)
    _print_table(folder, worked_out, wide=wide)
    if not run.complete:
        print(f"incomplete: {run.note or 'the lab ended before the run did'}")
    outcomes = judge(worked_out, thresholds)
    for outcome in outcomes:
        print(f"{'BROKEN' if outcome.broken else 'kept'}: {outcome.threshold.text} ({outcome.words})")
    if found := brackets.render_text(run):
        print(found)
    if found := cuts.render_text(worked_out):
        print(found)
    if found := clocks.render_text(run):
        print(found)
    # After the table: a folder that can't be written to, or a full disk, does not take that too.
    written = _write(folder, worked_out)
    found_of = repeats.outcomes(run.cells)
    invalid = [cell for cell, validity in found_of.items() if validity is Validity.INVALID]
    if invalid:
        print(f"rtlab: {len(invalid)} of {len(found_of)} cells are invalid: {', '.join(invalid)}", file=sys.stderr)
    broken = dict.fromkeys(outcome.threshold.text for outcome in outcomes if outcome.broken)
    if broken:
        print(f"rtlab: broken: {', '.join(broken)}", file=sys.stderr)
        return THRESHOLD_BROKEN
    unknown = any(found.met_per_s is None and not found.server_missed for found in brackets.brackets(run))
    return SOME_INVALID if invalid or unknown else OK if written else FAILED


def _print_table(folder: Path, worked_out: Study, *, wide: bool) -> None:
    rows = guide_table.of(worked_out)
    if not rows:
        shown = guide_table.render_memory(worked_out) if worked_out.memory else guide_table.render_text(rows)
    else:
        # Evidence that can't be read takes the sentences, not the table; `_write` says what is wrong with it.
        with suppress(RunError):
            print(terminal.sentences(gather(worked_out, folder)), end="\n\n")
        shown = guide_table.render_text(rows) if wide else terminal.table(rows, theirs.servers(worked_out.run))
    print(shown, end="\n\n")


def _write(folder: Path, worked_out: Study) -> bool:
    """Write the report and the exports and print the report's path; where that fails, say why and return False."""
    try:
        path = page.write(folder, worked_out)
        export.write(folder, worked_out)
    except (OSError, RunError) as error:
        print(f"rtlab: the report could not be written into {folder}: {error}", file=sys.stderr)
        return False
    print(f"report: {path}")
    return True
