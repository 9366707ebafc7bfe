""" "HTTP request-response is dead": can clients that only ask still take part?"""

from __future__ import annotations

from loadtests.report.quantity import digits, share, span
from loadtests.report.verdicts.delay import usable
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.limits import DISTRACTING_MS, INSTANT_MS
from loadtests.report.verdicts.ruling import Finding, Verdict, not_tested


def request_response(evidence: Evidence) -> Finding:
    """Judge by long polling, the best that requests can do: everything arrives, and soon enough to feel instant."""
    results = usable(evidence, "longpoll")
    if not results:
        return not_tested("This run has no valid measurement of long polling.")
    medians = [result.p50.value_ms for result in results if result.p50]
    received = sum(result.total("received") for result in results)
    expected = sum(result.total("expected") for result in results)
    slowest = max(medians)
    if received < expected or slowest > DISTRACTING_MS:
        verdict = Verdict.TRUE
    else:
        verdict = Verdict.FALSE if slowest <= INSTANT_MS else Verdict.TRUE_IF
    measured = (
        f"Long polling, which is nothing but requests and responses: {share(received, expected)} of its messages "
        f"arrived, half of them within {span(min(medians), slowest)} ms. Up to {INSTANT_MS:g} ms feels instant."
    )
    condition = f"{digits(slowest)} ms is too slow for you" if verdict is Verdict.TRUE_IF else ""
    return Finding(verdict, measured, condition, evidence.run)
