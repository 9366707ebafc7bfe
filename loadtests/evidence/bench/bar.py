"""A bound that the bench sets for a figure: its kinds, by how the figure is taken from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.evidence.bench.summary import Row, paired_ratio, spread

Found = tuple[float, float, float]


@dataclass(frozen=True)
class Bar:
    """`ours` over `theirs` (or `ours` alone) of one quantity, and the bound it should keep."""

    words: str
    case: str
    key: str  # in the load client's output
    bound: float
    theirs: str | None = None
    at_least: bool = True
    ours: str = "direct"

    def found(self, rows: Sequence[Row]) -> Found | None:
        """Median, least and greatest over the repeats; None where it was not measured."""
        if self.theirs is None:
            values = _by_repeat(rows, self.case, self.ours, self.key)
            return spread(list(values.values())) if values else None
        return paired_ratio(rows, self.case, self.key, self.ours, self.theirs)

    def floor(self, rows: Sequence[Row]) -> Found | None:
        """What the kernel's floor itself reaches where that is a bound: against nchan, when nothing can be joined."""
        if self.theirs != "nchan" or "-w1-" not in self.case:
            return None
        return paired_ratio(rows, self.case, self.key, "floor", self.theirs)

    def kept(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class ScaledBar(Bar):
    """`ours` where a message in another case costs `theirs` `cost_there`: absolute figures differ as machines do."""

    yardstick: str = ""  # the load, by WebSocket; measured in turn with `case`
    cost_there: float = 1.0

    @property
    def yardstick_case(self) -> str:
        """The yardstick's rows."""
        return f"{self.case.partition('/')[0]}/{self.yardstick}-yardstick"

    def found(self, rows: Sequence[Row]) -> Found | None:
        """As `Bar.found`; each slice is scaled by that of the yardstick in the same pass."""
        values = _by_repeat(rows, self.case, self.ours, self.key)
        yardsticks = _by_repeat(rows, self.yardstick_case, self.theirs or "", "us_per_msg")
        scaled = [values[repeat] * self.cost_there / yardsticks[repeat] for repeat in values.keys() & yardsticks.keys()]
        return spread(scaled) if scaled else None


@dataclass(frozen=True)
class AddedBar(Bar):
    """What `ours` has in `case` more than in another case."""

    without: str = ""

    def found(self, rows: Sequence[Row]) -> Found | None:
        """As `Bar.found`."""
        values = _by_repeat(rows, self.case, self.ours, self.key)
        others = _by_repeat(rows, self.without, self.ours, self.key)
        added = [values[repeat] - others[repeat] for repeat in values.keys() & others.keys()]
        return spread(added) if added else None


@dataclass(frozen=True)
class BesideBar(Bar):
    """`ours` in `case` against `ours` in another case."""

    without: str = ""

    def found(self, rows: Sequence[Row]) -> Found | None:
        """As `Bar.found`."""
        values = _by_repeat(rows, self.case, self.ours, self.key)
        others = _by_repeat(rows, self.without, self.ours, self.key)
        ratios = [values[repeat] / others[repeat] for repeat in values.keys() & others.keys() if others[repeat]]
        return spread(ratios) if ratios else None


def _by_repeat(rows: Sequence[Row], case: str, system: str, key: str) -> Mapping[int, float]:
    return {
        row["repeat"]: row["result"][key]
        for row in rows
        if row["case"] == case and row["system"] == system and row["result"].get(key) is not None
    }
