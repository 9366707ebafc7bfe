"""Cells measured again: how they are named, and which of a cell and its repetition is believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtests.records.schema import FROM_THE_BEST, Cell, Validity

SUFFIX = "-again"
SEARCHED = "capacity"
"""The kind of the cells of a capacity search."""


def original(cell_id: str) -> str:
    """Return the id of the planned cell that a cell is, or repeats."""
    while cell_id.endswith(SUFFIX):
        cell_id = cell_id.removesuffix(SUFFIX)
    return cell_id


def believed(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells that figures are made of; all of them where none can be believed.

    Left out is what is invalid, and what is doubtful where a valid repetition stands in for it.
    """
    valid = _originals(cell for cell in cells if cell.verdict.validity is Validity.VALID)
    kept = (
        cell
        for cell in cells
        if cell.verdict.validity is Validity.VALID
        or (cell.verdict.validity is Validity.DOUBTFUL and original(cell.id) not in valid)
    )
    return tuple(kept) or tuple(cells)


def done(measured: Iterable[Cell]) -> int:
    """Return how many planned cells were measured, however often."""
    return len(_originals(measured))


def outcomes(measured: Iterable[Cell]) -> dict[str, Validity]:
    """Return each planned cell with the best validity that one of its measurements has: what every count is made from.

    Cells of a capacity search are left out: it goes on until some fail, and what that says is in what it found.
    """
    best: dict[str, Validity] = {}
    for cell in measured:
        if cell.kind != SEARCHED:
            found, known = cell.verdict.validity, best.get(original(cell.id), Validity.INVALID)
            best[original(cell.id)] = min(found, known, key=FROM_THE_BEST.index)
    return best


def unreplaced(measured: Sequence[Cell]) -> list[Cell]:
    """Return the invalid cells that no other measurement of the same planned cell stands in for."""
    good = _originals(cell for cell in measured if cell.verdict.validity is not Validity.INVALID)
    return [cell for cell in measured if cell.verdict.validity is Validity.INVALID and original(cell.id) not in good]


def _originals(cells: Iterable[Cell]) -> set[str]:
    return {original(cell.id) for cell in cells}
