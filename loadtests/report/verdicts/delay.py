"""The guide's latency column: `~0 ms`, `~100 ms`, `~500 ms`, and where each figure would be true."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.records.schema import Validity
from loadtests.report import claims, model
from loadtests.report.claims import RESOLUTION_MS, Ruling, in_prose
from loadtests.report.condition import Result
from loadtests.report.quantity import digits, listed, plus, span
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.ruling import Finding, Rule, Verdict, not_tested

EXAMPLE_ONE_WAY_MS = 25.0
"""The line that the model speaks of where a run measured none: half of the default comparison's round trip."""


def latency(transport: str) -> Rule:
    """Make the rule for a transport's figure: it must hold in every condition that was measured, or in none."""

    def rule(evidence: Evidence) -> Finding:
        results = usable(evidence, transport)
        if not results:
            return not_tested(f"This run has no valid measurement of {in_prose(transport)}.")
        claimed = claimed_ms(evidence, transport)
        verdict = overall([result.claim.ruling for result in results])
        condition = _where(results) if verdict is Verdict.TRUE_IF else _would_be(evidence, transport, claimed)
        source = evidence.run
        if verdict is Verdict.TRUE and transport == "h2push" and (refusing := evidence.refusing_push):
            verdict = Verdict.TRUE_IF
            condition = f"the receiver is a program of your own: {listed(refusing)} told our server not to push"
            source += f"; run {evidence.browser_run.run_id}" if evidence.browser_run else ""
        return Finding(verdict, _measured(results), condition, source)

    return rule


def usable(evidence: Evidence, transport: str) -> tuple[Result, ...]:
    """Return the conditions of the table that may be judged: not invalid, and with a median."""
    return tuple(
        result
        for result in evidence.study.tabled
        if result.condition.transport == transport and result.validity is not Validity.INVALID and result.p50
    )


def claimed_ms(evidence: Evidence, transport: str) -> float:
    """Return the guide's figure for a transport."""
    return {**claims.GUIDE_LATENCY_MS, **evidence.study.run.claims}[transport]


def overall(rulings: Sequence[Ruling]) -> Verdict:
    """Sum up the rulings of several conditions: all, none, or some of them; undecided ones decide nothing."""
    decided = {ruling for ruling in rulings if ruling in (Ruling.HOLDS, Ruling.FAILS)}
    if decided == {Ruling.HOLDS, Ruling.FAILS}:
        return Verdict.TRUE_IF
    if not decided:
        return Verdict.NOT_TESTABLE
    return Verdict.TRUE if Ruling.HOLDS in decided else Verdict.FALSE


def _measured(results: Sequence[Result]) -> str:
    by_link: dict[str, list[float]] = {}
    for result in results:
        if result.p50:
            by_link.setdefault(result.condition.link, []).append(result.p50.value_ms)
    said = [f"{span(min(found), max(found))} ms {_over(link)}" for link, found in by_link.items()]
    text = f"Half of all messages arrived within {listed(said)}."
    if all(not model.link_one_way_ms(link) for link in by_link) and (example := _example(results[-1])):
        text += f" {example}"
    return text


def modelled_ms(here: Result) -> float | None:
    """Return the median that the model expects over the example line, from what was measured without one."""
    form, d = model.kind(here.condition.transport), EXAMPLE_ONE_WAY_MS
    if here.p50 is None or form not in ("push", "long poll"):
        return None
    added = model.long_poll_mean_ms(d, here.condition.rate_per_s) if form == "long poll" else model.push_ms(d)
    return plus(here.p50.value_ms, added)


def _example(here: Result) -> str:
    by_model_ms = modelled_ms(here)
    if by_model_ms is None:
        return ""
    return (
        f"No longer line was measured; by the model, one of {2 * EXAMPLE_ONE_WAY_MS:g} ms there and back would make it "
        f"{digits(by_model_ms)} ms."
    )


def _over(link: str) -> str:
    one_way_ms = model.link_one_way_ms(link)
    if not one_way_ms:
        return "on this machine itself" if one_way_ms == 0 else f"over the line {link}"
    return f"over a line of {2 * one_way_ms:g} ms there and back"


def _where(results: Sequence[Result]) -> str:
    """Name the lines over which the figure held; the loads too where it held under some of them only."""
    said: dict[str, None] = {}
    for result in results:
        c = result.condition
        if result.claim.ruling is not Ruling.HOLDS:
            continue
        whole = all(r.claim.ruling is Ruling.HOLDS for r in results if r.condition.link == c.link)
        load = "" if whole else f" with {c.subscribers:,} receivers and {c.rate_per_s:g} messages a second"
        said[f"{_over(c.link)}{load}"] = None
    return f"measured {listed(list(said))}"


def _would_be(evidence: Evidence, transport: str, claimed: float) -> str:
    """Say by the model on which line the figure comes about."""
    low, high = max(0.0, claimed - RESOLUTION_MS / 2), claimed + RESOLUTION_MS / 2
    if transport == "longpoll":
        asked = [result for result in usable(evidence, "shortpoll") if result.poll_interval_ms == 2 * claimed]
        here = f" (measured here: {digits(asked[-1].p50.value_ms)} ms)" if asked and asked[-1].p50 else ""
        return (
            f"the line took {span(low / 2, high / 2)} ms one way (busy room) or {span(low, high)} ms (quiet room). "
            f"On any line, {digits(claimed)} ms is what asking every {2 * claimed / 1e3:g} s gives" + here
        )
    if not low:
        return f"the line takes less than {high:g} ms one way"
    return f"the line took {low:g} to {high:g} ms one way, and WebSocket would take as long"
