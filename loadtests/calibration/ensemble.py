"""Several transports at a time in one generator process: what makes the short form short. The process is
`loadtests.users.ensemble`; this is what it is told."""

from __future__ import annotations

import msgspec

from loadtests.scenarios.spec import CellSpec

MODULE = ("loadtests.users.ensemble",)


class Ensemble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cell with a room for each user class, in their order; `cell.user_class` stands for the first."""

    cell: CellSpec
    user_classes: tuple[str, ...]
