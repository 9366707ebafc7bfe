"""What a capacity search found, read from the manifest's section `capacity`: brackets and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.records.schema import Run
from loadtests.report.claims import title
from loadtests.report.palette import rank
from loadtests.report.quantity import digits

SECTION = "capacity"
_MET = ".met_per_s"


@dataclass(frozen=True, slots=True)
class Bracket:
    """One transport's capacity in messages a second and room lies in [met, missed); None where that end is open."""

    transport: str
    met_per_s: float | None
    missed_per_s: float | None
    against: str  # what the missed rate showed
    server_missed: bool  # False: not the server but this machine's instrument failed at the missed rate
    over: bool  # the search had ended; otherwise steps or time ran out, or it was stopped
    steps: int

    @property
    def words(self) -> str:
        """The finding as a clause."""
        if self.met_per_s is None and self.missed_per_s is None:
            found = "not known"
        elif not self.server_missed:
            least = f"at least {digits(self.met_per_s)} a second; " if self.met_per_s else ""
            found = f"{least}this machine can't tell what {digits(self.missed_per_s)} would give: {self.against}"
        elif self.met_per_s is None:
            found = f"not even {digits(self.missed_per_s)} a second: {self.against}"
        elif self.missed_per_s is None:
            found = f"at least {digits(self.met_per_s)} a second; no higher rate was tried"
        else:
            found = f"{digits(self.met_per_s)} a second; at {digits(self.missed_per_s)}: {self.against}"
        return found if self.over else f"{found}; the search was not over"


def brackets(run: Run) -> tuple[Bracket, ...]:
    """Return what the run found, in the transports' fixed order; nothing when it was no capacity search."""
    found = run.manifest.get(SECTION, {})
    names = sorted((key.removesuffix(_MET) for key in found if key.endswith(_MET)), key=rank)
    return tuple(
        Bracket(
            transport=name,
            met_per_s=_number(found.get(f"{name}.met_per_s")),
            missed_per_s=_number(found.get(f"{name}.missed_per_s")),
            against=str(found.get(f"{name}.against", "")),
            server_missed=bool(found.get(f"{name}.told")),
            over=bool(found.get(f"{name}.over")),
            steps=int(_number(found.get(f"{name}.steps")) or 0),
        )
        for name in names
    )


def objective(run: Run) -> str:
    """Return what the search held every rate to, in words."""
    found = run.manifest.get(SECTION, {})
    return f"p99 at most {found.get('slo_p99_ms'):g} ms, reach at least {found.get('slo_reach_percent'):g} %"


def render_text(run: Run) -> str:
    """Return one line per transport for a terminal; empty when the run was no capacity search."""
    found = brackets(run)
    if not found:
        return ""
    lines = [f"{title(bracket.transport)}: {bracket.words}" for bracket in found]
    return "\n".join((f"capacity ({objective(run)}), messages a second and room:", *lines))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
