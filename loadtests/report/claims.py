"""The guide's table, quoted, and the rule by which a measurement speaks for or against it.

The rule. The guide's figures (0, 100, 500) are given to the nearest hundred milliseconds, with a tilde. So a claim is
read at that resolution: it *holds* when the whole interval of the measured median rounds to the claimed hundred (0
means below 50 ms, 100 means 50 to 150), *does not hold* when no part of the interval does (then the measurement is
faster or slower than the guide says), and is *undecided* in between. Invalid measurements and missing ones decide
nothing. No verdict is written anywhere by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.catalogue import records
from loadtests.report import model
from loadtests.report.bootstrap import Estimate
from loadtests.report.quantity import UNKNOWN, digits, greatest, listed

RESOLUTION_MS = 100.0
"""The guide's figures are whole multiples of this."""

AS_SAID_MS = 10.0
"""A median so near to the guide's figure is as it says; one farther off that still rounds to it only does that."""

_GUIDE = {name: record.guide for name, record in records().items() if record.guide is not None}

GUIDE_LATENCY_MS: Mapping[str, float] = {name: row.latency_ms for name, row in _GUIDE.items()}
"""The guide's latency column."""

GUIDE_COLUMNS: Mapping[str, tuple[str, str]] = {
    name: (row.browser_support, row.complexity) for name, row in _GUIDE.items()
}
"""The guide's columns that no run of this kind measures: browser support and complexity, in its words."""


class Agreement(StrEnum):
    """What a measurement says about a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    NO_CLAIM = "no claim"
    NO_MEASUREMENT = "not measured"


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """Whether claim and measurement agree, in one word and in one sentence made from the figures."""

    agreement: Agreement
    words: str
    short: str = UNKNOWN


def title(transport: str) -> str:
    """Return a transport's name as a heading; unknown ones keep their own."""
    record = records().get(transport)
    return transport if record is None else record.title


def in_prose(transport: str) -> str:
    """Return a transport's name inside a sentence: `long polling`, but `WebSocket`."""
    record = records().get(transport)
    return record.prose if record is not None and record.prose else title(transport)


def rule(claimed_ms: float, low_ms: float, high_ms: float) -> Agreement:
    """Apply the module's rule to the interval of a measured median."""
    half = RESOLUTION_MS / 2
    high_ms = greatest(high_ms)
    if claimed_ms - half <= low_ms and high_ms < claimed_ms + half:
        return Agreement.HOLDS
    if high_ms < claimed_ms - half or low_ms >= claimed_ms + half:
        return Agreement.FAILS
    return Agreement.UNDECIDED


def judge(transport: str, median: Estimate | None, claims: Mapping[str, float]) -> ClaimCheck:
    """Judge one condition's median (None: nothing valid was measured) against the claims, in ms by transport."""
    if median is None:
        return ClaimCheck(Agreement.NO_MEASUREMENT, "no valid measurement")
    claimed = claims.get(transport)
    measured = f"{digits(median.value_ms)} ms"
    if claimed is None:
        return ClaimCheck(Agreement.NO_CLAIM, _unclaimed(transport, median, claims), "not in it")
    agreement = rule(claimed, median.low_ms, median.high_ms)
    if agreement is Agreement.HOLDS:
        as_said = abs(float(median.value_ms) - claimed) <= AS_SAID_MS
        lead, short = (
            ("as the guide says", "as it says") if as_said else ("rounds to the guide's figure", "rounds to it")
        )
        return ClaimCheck(agreement, f"{lead}: {measured} is {claimed:g} ms to the nearest {RESOLUTION_MS:g}", short)
    if agreement is Agreement.FAILS:
        short = "faster" if greatest(median.value_ms) < claimed else "slower"
        words = f"{short} than the guide says: {measured}, not {claimed:g}{_true_if(transport, claimed)}"
        return ClaimCheck(agreement, words, short)
    words = f"undecided: {digits(median.low_ms)} to {digits(median.high_ms)} ms straddles {claimed:g} ms"
    return ClaimCheck(agreement, words, "undecided")


def fitting(transport: str, median: Estimate, claims: Mapping[str, float]) -> list[str]:
    """Return the transports whose claim a figure would fit, of those that claim more than nothing."""
    return [
        other
        for other, claimed in claims.items()
        if other != transport and claimed and rule(claimed, median.low_ms, median.high_ms) is Agreement.HOLDS
    ]


def _unclaimed(transport: str, median: Estimate, claims: Mapping[str, float]) -> str:
    """Say whose claim this figure would fit, if anybody's."""
    fits = [f"{in_prose(other)} (~{claims[other]:g} ms)" for other in fitting(transport, median, claims)]
    return f"not in the guide; fits its figure for {listed(fits)}" if fits else "not in the guide"


def _true_if(transport: str, claimed_ms: float) -> str:
    """Say by the model where the claim would be true: publisher's and receiver's transits make one round trip."""
    if not claimed_ms:
        return ""
    form = model.kind(transport)
    if form == "long poll":
        busy = model.five_hundred(claimed_ms).long_poll_round_trip_ms
        return f"; that would take a round trip of {digits(busy)} ms (busy room) to {claimed_ms:g} ms (quiet room)"
    if form == "push":
        return f"; that would take a round trip of {claimed_ms:g} ms, and every push transport would show it"
    return ""
