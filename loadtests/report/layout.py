"""The size that a chart is drawn in: known to whoever asks for a chart, without what draws it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """How large a figure is drawn, so that its text stays legible at the width it is shown at."""

    name: str
    width_in: float
    columns: int
    legend_columns: int
