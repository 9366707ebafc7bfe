"""Several transports at a time in one generator process: what makes the short form short. The process is
`loadtests.evidence.calibration.ensemble_generator`; this is what it is told."""

from __future__ import annotations

import msgspec

from loadtests.records.cell_spec import CellSpec

MODULE = ("loadtests.evidence.calibration.ensemble_generator",)


class Ensemble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cell with a room for each user class, in their order; `cell.user_class` stands for the first."""

    cell: CellSpec
    user_classes: tuple[str, ...]
