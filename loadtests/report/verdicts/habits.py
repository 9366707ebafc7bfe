"""The guide's four security habits: is the habit needed, and is it enough?

A habit is borne out where the guide's own server, which lacks it, comes to harm, and ours, which has it, does not.
"""

from __future__ import annotations

from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.ruling import Finding, Rule, Verdict, not_tested


def habit(fault: str) -> Rule:
    """Make the rule for the habit that prevents one fault of the guide's server."""

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
