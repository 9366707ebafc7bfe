"""Is theory right over a link? Measures the scenario `links` and holds it to the closed forms.

    python -m loadtests.evidence.links                      # measures first: about 5 minutes
    python -m loadtests.evidence.links --run results/runs/…

Exit codes: 0 every promise holds; 1 it could not be measured; 4 a promise does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from pathlib import Path

from loadtests.evidence.compare import Request, compare
from loadtests.records import store
from loadtests.records.errors import LabError, RunError
from loadtests.report import links
from loadtests.report.conclude import FAILED, INTERRUPTED, OK, SOME_INVALID
from loadtests.report.links import Promise, link_qualities
from loadtests.report.model import kind
from loadtests.report.quantity import digits
from loadtests.report.study import Study, study

SCENARIO = "links"
_RUNS = Path("results") / "runs"


def lines(worked_out: Study) -> list[str]:
    """Return one line per link as probed, one per promise, and one on what was lost."""
    found = links.promises(worked_out)
    missed = links.delivery_faults(worked_out)
    return [
        *_probed(worked_out),
        *map(_line, found),
        f"lost, doubled or reordered: {'; '.join(missed) or 'nothing'}",
    ]


def holds(worked_out: Study) -> bool:
    """Whether there are promises, each one holds, and no delivery was lost, doubled or reordered.

    A push's promise is the same at each rate: where one of them could not be measured (at forty random arrivals a
    second some come in one read, which makes the cell invalid), the others speak for it.
    """
    found = links.promises(worked_out)
    shown = {(promise.condition.transport, promise.condition.link) for promise in found if promise.holds}
    return (
        bool(found)
        and all(promise.holds or _is_spoken_for(promise, shown) for promise in found)
        and not links.delivery_faults(worked_out)
    )


def _is_spoken_for(promise: Promise, shown: Collection[tuple[str, str]]) -> bool:
    transport, link = promise.condition.transport, promise.condition.link
    return promise.measured_ms is None and kind(transport) == "push" and (transport, link) in shown


def _probed(worked_out: Study) -> list[str]:
    return [
        f"link {found.link}, {found.mechanism}; median round trip {digits(found.median_low_ms, 4)} to "
        f"{digits(found.median_high_ms, 4)} ms over {found.cells} cells, {found.lost} of {found.probes} probes lost"
        for found in link_qualities(worked_out.run)
    ]


def _line(promise: Promise) -> str:
    allowed = f"{digits(promise.least_ms)} to {digits(promise.most_ms)}"
    if promise.most_ms == float("inf"):
        allowed = f"at least {digits(promise.least_ms)}"
    verdict = "holds" if promise.holds else "DOES NOT HOLD" if promise.measured_ms is not None else "NOT MEASURED"
    where = f"{promise.condition.transport:10} {promise.condition.load:15}"
    return (
        f"{where} {promise.words:32} theory {digits(promise.expected_ms):>5} ms, "
        f"measured {digits(promise.measured_ms):>5} ms, allowed {allowed} ms: {verdict}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure unless a run is given, print every line, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.links", description=main.__doc__)
    parser.add_argument("--run", metavar="RUN", help="a run folder, a run id, or latest; without it one is made")
    parser.add_argument("--runs", type=Path, default=_RUNS, metavar="DIR", help="where runs are kept (%(default)s)")
    parser.add_argument("--transports", metavar="A,B", help="only these (default: all)")
    options = parser.parse_args(arguments)
    try:
        if options.run is None:
            code = compare(SCENARIO, Request(runs_folder=options.runs, transports=options.transports))
            if code not in (OK, SOME_INVALID):
                return INTERRUPTED if code == INTERRUPTED else FAILED
        worked_out = study(store.find(options.runs, options.run or "latest"))
    except (LabError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write("\n".join(lines(worked_out)) + "\n")
    return OK if holds(worked_out) else SOME_INVALID


if __name__ == "__main__":
    raise SystemExit(main())
