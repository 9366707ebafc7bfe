"""Full-duplex: can both sides speak at once on the one connection?"""

from __future__ import annotations

from loadtests.report.claims import in_prose
from loadtests.report.quantity import listed
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.ruling import Finding, Verdict, not_tested


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
