"""What a capacity search found, read from the manifest's section `capacity`: brackets and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.records.schema import Run
from loadtests.report.claims import title
from loadtests.report.palette import rank
from loadtests.report.quantity import digits

SECTION = "capacity"
ALONG = {"rate": "per_s", "subscribers": "subscribers", "rooms": "rooms"}
"""What may be raised, and how the keys of what was found end: `websocket.met_per_s`."""

_UNITS = {"rate": " a second", "subscribers": " subscribers", "rooms": " rooms"}
_WORDS = {
    "rate": "messages a second and room",
    "subscribers": "subscribers in all rooms together",
    "rooms": "rooms, each with its own subscribers",
}


@dataclass(frozen=True, slots=True)
class Bracket:
    """One transport's capacity, in what was raised, lies in [met, missed); None where that end is open."""

    transport: str
    met_per_s: float | None
    missed_per_s: float | None
    against: str  # what the missed rate showed
    server_missed: bool  # False: not the server but this machine's instrument failed at the missed rate
    over: bool  # the search had ended; otherwise steps or time ran out, or it was stopped
    steps: int
    along: str = "rate"  # one of ALONG
    gave_up: str = ""  # "the server" or "the generator", whichever was at its limit; empty where that is not clear
    evidence: str = ""  # by which figures

    @property
    def words(self) -> str:
        """The finding as a clause."""
        unit, raised = _UNITS[self.along], "rate" if self.along == "rate" else "number"
        shown = digits if self.along == "rate" else "{:g}".format
        met, missed = (shown(each) if each else "" for each in (self.met_per_s, self.missed_per_s))
        if not met and not missed:
            found = "not known"
        elif not self.server_missed:
            least = f"at least {met}{unit}; " if met else ""
            found = f"{least}this machine can't tell what {missed} would give: {self.against}"
        elif not met:
            found = f"not even {missed}{unit}: {self.against}"
        elif not missed:
            found = f"at least {met}{unit}; no higher {raised} was tried"
        else:
            found = f"{met}{unit}; at {missed}: {self.against}"
        if self.evidence and missed:
            who = f"{self.gave_up} gave up" if self.gave_up else "who gave up is not clear"
            found = f"{found} ({who}: {self.evidence})"
        return found if self.over else f"{found}; the search was not over"


def brackets(run: Run) -> tuple[Bracket, ...]:
    """Return what the run found, in the transports' fixed order; nothing when it was no capacity search."""
    found = run.manifest.get(SECTION, {})
    along = _along(run)
    met, missed = (f".{end}_{ALONG[along]}" for end in ("met", "missed"))
    names = sorted((key.removesuffix(met) for key in found if key.endswith(met)), key=rank)
    return tuple(
        Bracket(
            transport=name,
            met_per_s=_number(found.get(name + met)),
            missed_per_s=_number(found.get(name + missed)),
            against=str(found.get(f"{name}.against", "")),
            server_missed=bool(found.get(f"{name}.told")),
            over=bool(found.get(f"{name}.over")),
            steps=int(_number(found.get(f"{name}.steps")) or 0),
            along=along,
            gave_up=str(found.get(f"{name}.gave_up") or ""),
            evidence=str(found.get(f"{name}.evidence") or ""),
        )
        for name in names
    )


def objective(run: Run) -> str:
    """Return what the search held every rate to, in words."""
    found = run.manifest.get(SECTION, {})
    return f"p99 at most {found.get('slo_p99_ms'):g} ms, reach at least {found.get('slo_reach_percent'):g} %"


def raised(run: Run) -> str:
    """Return in words what was raised."""
    return _WORDS[_along(run)]


def arguments(run: Run) -> str:
    """Return the options of the command line that the settings tell of: held servers, several generators."""
    settings = run.manifest.get("settings", {})
    held, several = settings.get("server_cpu_percent"), settings.get("generators")
    elsewhere = int(_number(settings.get("generators_elsewhere")) or 0)
    said = [f" --server-cpu {held:g}%"] if isinstance(held, int | float) else []
    if isinstance(several, int):
        said.append(f" --generators {several - elsewhere}" + (f"+{elsewhere}" if elsewhere else ""))
    return "".join(said)


def render_text(run: Run) -> str:
    """Return one line per transport for a terminal; empty when the run was no capacity search."""
    found = brackets(run)
    if not found:
        return ""
    lines = [f"{title(bracket.transport)}: {bracket.words}" for bracket in found]
    return "\n".join((f"capacity ({objective(run)}), {raised(run)}:", *lines))


def _along(run: Run) -> str:
    along = run.manifest.get(SECTION, {}).get("along")
    return along if isinstance(along, str) and along in ALONG else "rate"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
