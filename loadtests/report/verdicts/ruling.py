"""What a rule says: a ruling, what was measured, under which condition, and where that can be looked up.

Every limit that a ruling depends on stands here with its reason; latency figures have their rule in `report.claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from loadtests.report.verdicts.evidence import Evidence

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
