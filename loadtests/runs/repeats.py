"""Cells measured again: how they are named, and which of a cell and its repetition is believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtests.runs.schema import Cell, Validity

SUFFIX = "-again"


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


def unreplaced(measured: Sequence[Cell]) -> list[Cell]:
    """Return the invalid cells that no other measurement of the same planned cell stands in for."""
    good = _originals(cell for cell in measured if cell.verdict.validity is not Validity.INVALID)
    return [cell for cell in measured if cell.verdict.validity is Validity.INVALID and original(cell.id) not in good]


def _originals(cells: Iterable[Cell]) -> set[str]:
    return {original(cell.id) for cell in cells}
