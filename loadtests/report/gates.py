"""The study of the gates in words: for the terminal, and as a part of `docs/methodology.md`.

`python -m loadtests.report.gates` puts the reference's study into the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loadtests.records.calibration import Calibration
from loadtests.records.gates import GATES, Finding, Move, Shift, bound, rule
from loadtests.report.calibration import beside, latest
from loadtests.report.marked import filled
from loadtests.report.quantity import listed

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "results" / "reference"
DOCUMENT: Final = ROOT / "docs" / "methodology.md"
_BEGIN, _END = "<!-- gates: begin -->", "<!-- gates: end -->"
_ABSENT: Final = "This repository keeps no study of the gates yet; `rtlab calibrate --gates` makes one.\n"
_HEADINGS: Final = (
    "planted", "transport", "gate's figure", "without", "p50 moves by (ms)", "p99 moves by (ms)", "shared reads",
    "pairs",
)  # fmt: skip
_KINDS: Final = {True: "pushes", False: "polls"}
DISTURBED_PERCENT: Final = 20.0
"""Of the pairs of windows: where more were left out, other programs disturbed the study."""


def table(moves: Sequence[Move]) -> Iterator[str]:
    """Yield the study for a terminal: a line for each disturbance, level and transport, then what follows."""
    rows = [_HEADINGS, *map(_cells, moves)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield base(moves)
    yield from findings(moves)


def findings(moves: Sequence[Move]) -> Iterator[str]:
    """Yield a sentence for each disturbance and kind of transport that was studied."""
    for disturbance in GATES:
        for pushes, kind in _KINDS.items():
            if any(move.pushes == pushes for move in moves):
                yield f"{disturbance}, {kind}: {_found(moves, disturbance, pushes=pushes)}"


def decided(moves: Sequence[Move]) -> bool:
    """Whether the study could tell of every gate."""
    kinds = {move.pushes for move in moves}
    return all(rule(moves, name, pushes=kind).finding is not Finding.UNDECIDED for name in GATES for kind in kinds)


def base(moves: Sequence[Move]) -> str:
    """Say whether the control windows were disturbed, and of which disturbances nothing can be told."""
    pairs, left_out = sum(move.pairs for move in moves), sum(move.left_out for move in moves)
    share = 100 * left_out / pairs if pairs else 0.0
    how = "disturbed" if share > DISTURBED_PERCENT else "quiet enough"
    reason = ", since other programs took the processor" if left_out else ""
    said = f"The machine was {how}: {share:.0f} % of {pairs} pairs of windows were left out{reason}."
    # A level of which no pair can be used has no move.
    absent = [name for name in GATES if name not in {move.disturbance for move in moves}]
    if not absent:
        return said
    return f"{said} No pair with a {listed(absent)} could be used: it has no row here, and its gate is not decided."


def markdown(study: Calibration) -> str:
    """Return the study as the page shows it."""
    moves = study.gates
    lines = [
        f"{study.started_utc}, commit {(study.commit or 'unknown')[:7]}; "
        f"{study.host.get('cores', 'unknown')} cores. {base(moves)}",
        "",
        "| " + " | ".join(_HEADINGS) + " |",
        "|" + "---|" * len(_HEADINGS),
        *("| " + " | ".join(_cells(move)) + " |" for move in moves),
        "",
        *(f"- {sentence}" for sentence in findings(moves)),
    ]
    return "\n".join(lines) + "\n"


def replaced(text: str, shown: str) -> str:
    """Return the page with `shown` between its marks; RunError where it has none."""
    return filled(DOCUMENT.name, text, _BEGIN, shown, _END)


def reference() -> Calibration | None:
    """Return the latest study of the gates in the reference; None without one."""
    return latest(beside(REFERENCE), lambda each: each if each.gates else None)


def _found(moves: Sequence[Move], disturbance: str, *, pushes: bool) -> str:
    ruling, unit = rule(moves, disturbance, pushes=pushes), _unit(disturbance)
    follows = bound(moves, disturbance, pushes=pushes)
    if ruling.finding is Finding.STILL:
        return (
            f"moves nothing beyond the stated error, up to {ruling.figure:.2g}{unit}; "
            f"noted above {follows.noted_above:g}{unit}, and no doubt"
        )
    doubtful = f"doubtful above {follows.doubtful_above:g}{unit}"
    if ruling.finding is Finding.MOVES:
        return f"moves a figure by the stated error at {ruling.figure:.2g}{unit}; {doubtful}"
    return f"undecided, for want of undisturbed windows or of narrow intervals; {doubtful}, as before"


def _cells(move: Move) -> tuple[str, ...]:
    unit = _unit(move.disturbance)
    return (
        f"{move.disturbance} {move.level_ms:g} ms",
        move.transport,
        _figure(move.planted, unit),
        _figure(move.control, unit),
        _moved(move.p50),
        _moved(move.p99),
        f"{move.shared_percent:.1f} %",
        f"{move.pairs - move.left_out} of {move.pairs}",
    )


def _figure(value: float, unit: str) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2f}{unit}"


def _moved(shift: Shift) -> str:
    if math.isnan(shift.value_ms):
        return "unknown"
    word = "moved" if shift.moved else "still" if shift.still else "?"
    return f"{shift.value_ms:+.2f} [{shift.low_ms:+.2f} to {shift.high_ms:+.2f}] {word}"


def _unit(disturbance: str) -> str:
    return " % of a core" if disturbance == "hog" else " ms"


def shown() -> str:
    """Return what stands in the page: the reference's study, or that there is none."""
    study = reference()
    return _ABSENT if study is None else markdown(study)


def main() -> None:
    """Put the reference's study into the page."""
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), shown()), encoding="utf-8")


if __name__ == "__main__":
    main()
