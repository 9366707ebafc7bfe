"""Heartbeats: does a server that asks for signs of life find out who has vanished?"""

from __future__ import annotations

from loadtests.report.claims import in_prose
from loadtests.report.quantity import digits, listed
from loadtests.report.verdicts.evidence import Evidence, Fault
from loadtests.report.verdicts.ruling import Finding, Verdict, not_tested

_LEFT, _AFTER = "vanishing-", "_left_after_s"


def heartbeat(evidence: Evidence) -> Finding:
    """Judge by peers whose packets were dropped: each must be told to have left within its bound."""
    rows = evidence.faults.rows_of("half-open") if evidence.faults else ()
    found = {transport: (after_s, bound_s) for row in rows for transport, after_s, bound_s in _vanished(row)}
    if evidence.faults is None or not found:
        return not_tested("No fault run with vanished peers lies beside this run (make faults).")
    late = [in_prose(transport) for transport, (after_s, bound_s) in found.items() if not 0 <= after_s <= bound_s]
    verdict = Verdict.TRUE if not late else Verdict.FALSE if len(late) == len(found) else Verdict.TRUE_IF
    said = [f"{in_prose(transport)} after {digits(after_s)} s" for transport, (after_s, _) in found.items()]
    bound_s = max(bound_s for _, bound_s in found.values())
    return Finding(
        verdict,
        f"Clients cut off without a goodbye were noticed: {listed(said)} (promised: {digits(bound_s)} s).",
        f"the connection is not {listed(late)}" if verdict is Verdict.TRUE_IF else "",
        f"faults.json, commit {evidence.faults.commit}",
    )


def _vanished(row: Fault) -> list[tuple[str, float, float]]:
    bound_s = float(row.measured.get("bound_s", 0.0))
    return [
        (name.removeprefix(_LEFT).removesuffix(_AFTER), float(value), bound_s)
        for name, value in row.measured.items()
        if name.startswith(_LEFT) and name.endswith(_AFTER)
    ]
