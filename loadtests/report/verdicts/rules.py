"""Rules for what the guide says of duplex, requests, heartbeats and security habits."""

from __future__ import annotations

from loadtests.report.claims import in_prose
from loadtests.report.quantity import digits, listed, share, span
from loadtests.report.verdicts.delay import usable
from loadtests.report.verdicts.evidence import Evidence, Fault
from loadtests.report.verdicts.ruling import DISTRACTING_MS, INSTANT_MS, Finding, Rule, Verdict, not_tested


def full_duplex(evidence: Evidence) -> Finding:
    """Judge by what was tried on one connection of each transport: to send on it while events arrive on it."""
    traits = evidence.traits
    own = traits.row("websocket") if traits else None
    if traits is None or own is None:
        return not_tested("Sending on the receiving connection was not tried beside this run.")
    able = [in_prose(row.transport) for row in traits.rows if row.duplex]
    unable = [in_prose(row.transport) for row in traits.rows if not row.duplex]
    parts = [f"worked over {listed(able)}" if able else "", f"did not over {listed(unable)}" if unable else ""]
    return Finding(
        Verdict.TRUE if own.duplex else Verdict.FALSE,
        f"Sending on the connection on which messages arrive {', and '.join(part for part in parts if part)}.",
        source=f"traits.json, commit {traits.commit}",
    )


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


def habit(fault: str) -> Rule:
    """Make the rule for the habit that prevents one fault of the guide's server.

    A habit is borne out where the guide's own server, which lacks it, comes to harm, and ours, which has it, does not.
    """

    def rule(evidence: Evidence) -> Finding:
        row = evidence.foil.row(fault) if evidence.foil else None
        if evidence.foil is None or row is None:
            return not_tested("The guide's own server was not tried for it.")
        verdict = Verdict.TRUE if row.foil_faulty and not row.ours_faulty else Verdict.FALSE
        return Finding(
            verdict,
            f"Without it, the guide's own server: {row.foil}. With it, ours: {row.ours}.",
            source=f"foil.json, commit {evidence.foil.commit}",
        )

    return rule
