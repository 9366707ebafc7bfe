"""What verdicts are made from: the run itself, and reports that other programs of the lab left as JSON.

Each file is looked for in the run's own folder first, then in `results/reference`; one that is in neither is None, and
what depends on it is not judged. Shapes are read strictly as far as the rules need them.

And what a rule says: a ruling, what was measured, under which condition, and where that can be looked up. Every limit
that a ruling depends on stands here with its reason; latency figures have their rule in `report.claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from loadtests.records import facts as support
from loadtests.records import json_file
from loadtests.records.errors import RunError, SupportError
from loadtests.records.facts import Complexity, Traits
from loadtests.records.middleboxes import FILE as MIDDLEBOXES
from loadtests.records.middleboxes import Middleboxes
from loadtests.records.schema import Run, Validity
from loadtests.records.store import with_names_of_today
from loadtests.report import export, theirs
from loadtests.report.study import Study

T = TypeVar("T")

ENABLE_PUSH = "h2push.enable_push"
"""What the browser sent in its SETTINGS: 0 refuses pushes (RFC 9113 section 6.5.2)."""

REFERENCE = Path(__file__).parents[3] / "results" / "reference"


class Fault(msgspec.Struct, frozen=True):
    """One scenario of `make faults`: its figures by name."""

    scenario: str
    variant: str
    measured: dict[str, bool | int | float]
    passed: bool


class Faults(msgspec.Struct, frozen=True):
    """`faults.json`."""

    commit: str
    rows: tuple[Fault, ...]


class FoilRow(msgspec.Struct, frozen=True):
    """One fault of the guide's own server, looked for on it and on ours; the phrases carry the figures."""

    fault: str
    foil_faulty: bool
    ours_faulty: bool
    foil: str
    ours: str


class Foil(msgspec.Struct, frozen=True):
    """`foil.json`."""

    commit: str
    rows: tuple[FoilRow, ...]

    def row(self, fault: str) -> FoilRow | None:
        """Return one fault's row."""
        return next((row for row in self.rows if row.fault == fault), None)


class LinkResult(msgspec.Struct, frozen=True):
    """One condition of a run over links, as `report.export` writes it."""

    transport: str
    link: str
    validity: str = ""
    p99_ms: float | None = None
    p99_ms_at_least: bool | None = None  # only this lower bound is known


class Links(msgspec.Struct, frozen=True):
    """`links.json`: the `results.json` of a run of the scenario `links`."""

    run_id: str
    results: tuple[LinkResult, ...]


class CutResult(msgspec.Struct, frozen=True):
    """One condition of a run with planned cuts, as `report.export` writes it."""

    transport: str
    validity: str
    expected: int = 0
    lost: int = 0
    duplicates: int = 0
    resume: bool | None = None  # None: nobody was cut
    up_s: float = 0.0
    offline_s: float = 0.0


class CutRun(msgspec.Struct, frozen=True):
    """`cuts.json`: the `results.json` of a run of the scenario `cuts`."""

    run_id: str
    results: tuple[CutResult, ...]

    def of(self, *, resume: bool) -> tuple[CutResult, ...]:
        """Return the conditions that can be believed whose clients resumed, or did not."""
        return tuple(each for each in self.results if each.resume is resume and each.validity != Validity.INVALID)


BrowserValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Browser:
    """What `rtlab browser` found in one browser: values by name."""

    name: str
    found: Mapping[str, BrowserValue]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a rule may look at; None: not there."""

    study: Study  # of our rows alone, where the run has any
    faults: Faults | None = None
    foil: Foil | None = None
    complexity: Complexity | None = None
    traits: Traits | None = None
    browser_run: Run | None = None
    links: Links | None = None
    cuts: CutRun | None = None
    support: support.Facts | None = None
    middleboxes: Middleboxes | None = None
    whole: Study | None = None  # with the rows of servers that are not ours; None: as `study`

    @property
    def shown(self) -> Study:
        """Every row: no rule looks at it."""
        return self.whole or self.study

    @property
    def run(self) -> str:
        """The run's id, as a source."""
        return f"run {self.study.run.run_id}"

    @property
    def browsers(self) -> tuple[Browser, ...]:
        """The browsers that were examined, without those whose examination failed."""
        return _browsers(self.browser_run) if self.browser_run else ()

    def faults_of(self, *scenarios: str) -> tuple[Fault, ...]:
        """Return every variant of the scenarios; none without a fault run."""
        return tuple(row for row in (self.faults.rows if self.faults else ()) if row.scenario in scenarios)

    @property
    def refusing_push(self) -> list[str]:
        """The browsers whose SETTINGS refuse pushes; empty where one took it or none was asked."""
        asked = [browser for browser in self.browsers if browser.found.get(ENABLE_PUSH) is not None]
        refused = [browser.name.capitalize() for browser in asked if browser.found[ENABLE_PUSH] == 0]
        return refused if len(refused) == len(asked) else []


def gather(study: Study, run_dir: Path, reference: Path = REFERENCE) -> Evidence:
    """Read what there is beside a run. Raises RunError where a file is there and cannot be read."""
    folders = (run_dir, reference)
    try:
        facts = support.load()
    except SupportError as error:
        raise RunError(str(error)) from error
    browser_run = _read("browser.json", folders, Run)
    return Evidence(
        study=theirs.ours(study),
        whole=study,
        faults=_read("faults.json", folders, Faults),
        foil=_read("foil.json", folders, Foil),
        complexity=_read("complexity.json", folders, Complexity),
        traits=_read("traits.json", folders, Traits),
        browser_run=study.run if _browsers(study.run) else browser_run and with_names_of_today(browser_run),
        links=_read("links.json", folders, Links),
        cuts=own_cuts(theirs.ours(study)) or _read("cuts.json", folders, CutRun),
        support=facts,
        middleboxes=_read(MIDDLEBOXES, folders, Middleboxes),
    )


def own_cuts(study: Study) -> CutRun | None:
    """Return what the run itself says of planned cuts; None where there were none."""
    results = [record for record in export.records(study) if "resume" in record]
    return msgspec.convert({"run_id": study.run.run_id, "results": results}, CutRun) if results else None


def _browsers(run: Run) -> tuple[Browser, ...]:
    return tuple(
        Browser(section.removeprefix("browser_"), found)
        for section, found in run.manifest.items()
        if section.startswith("browser_") and "failed" not in found
    )


def _read(name: str, folders: tuple[Path, ...], shape: type[T]) -> T | None:
    for folder in folders:
        if (found := json_file.read_if_there(folder / name, shape, "evidence")) is not None:
            return found
    return None


SUPPORT_PERCENT: Mapping[str, tuple[float, float]] = {
    "universal": (99.5, 100.0),
    "excellent": (95.0, 100.0),
    "limited": (5.0, 95.0),
}
"""The guide's words for browser support as percent of usage, from and to. Over 99.5 nobody notices who is missing; an
API with 95 is used without a second thought; under 5 there is nothing left to support."""

INSTANT_MS = 100.0
"""Up to here people feel that a thing happened at once (Miller 1968, Nielsen 1993)."""

DISTRACTING_MS = 1000.0
"""Beyond this the flow of thought is broken (the same)."""

EASIER_RATIO = 0.8
"""A server and client are called easier with at most this share of the other's branches: smaller gaps are taste."""

CORE_US = 1e6
"""Microseconds of one core in a second."""

NO_BROWSER_PERCENT = 5.0
"""Below this share of usage an API counts as in no current browser."""

ALIKE_RATIO = 2.0
"""Medians up to this many times the fastest are said in one breath: between blocks of one run they move as much."""

UNSEEN_MS = 1000 / 60
"""One picture of a screen at 60 Hz: a message that comes earlier by less is not seen earlier."""


class Ruling(StrEnum):
    """How a sentence of the guide fares against the data."""

    TRUE = "true"
    TRUE_IF = "true if"
    FALSE = "false"
    NOT_TESTABLE = "not testable here"
    NOT_TESTED = "not tested in this run"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's answer.

    `measured`: what was found, in words with figures. `condition`: what the sentence depends on, or, of a `FALSE`,
    where it would be true; empty where there is none. `source`: run id or evidence file with its commit.
    """

    ruling: Ruling
    measured: str
    condition: str = ""
    source: str = ""

    @property
    def conditional(self) -> str:
        """The condition as it is said after the ruling's own word; empty where there is none."""
        lead = {Ruling.TRUE: "as long as ", Ruling.FALSE: "would be true if "}.get(self.ruling, "")
        return f"{lead}{self.condition}" if self.condition else ""


Rule = Callable[[Evidence], Finding]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the guide and how it is put to the test."""

    slug: str
    topic: str  # sentences of one topic are shown together
    sentence: str
    tested: str
    rule: Rule


def not_tested(missing: str) -> Finding:
    """Return the finding where there is no data; `missing` says which, and how it is made."""
    return Finding(Ruling.NOT_TESTED, missing)
