"""What the report's template is given: the columns, the verdicts, and a word on the facts' age."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from loadtests.records.facts import stale
from loadtests.report.quantity import digits
from loadtests.report.verdicts import columns, guide
from loadtests.report.verdicts.browsers import publications
from loadtests.report.verdicts.evidence import Evidence

FAULTS: Mapping[str, str] = {
    "delivered_twice": "Messages come twice",
    "second_tab_closes_first": "A second tab closes the first",
    "rooms_never_freed": "Empty rooms are never freed",
    "any_user_id": "Anybody can be anybody",
    "markup_relayed": "Scripts are passed on",
    "stuck_reader": "One stuck reader holds up all",
    "malformed_json_kills": "Bad JSON ends the connection",
    "foreign_origin": "Any web page may connect",
    "no_rate_limit": "One user may flood a room",
}
"""Headings of what the guide's own server is looked at for."""


def context(evidence: Evidence) -> Mapping[str, object]:
    """Return the names that `claims.html.j2` uses."""
    found = guide.judged(evidence)
    return {
        "claimed_transports": columns.transports(evidence),
        "properties": columns.properties(evidence),
        "topics": guide.topics(found),
        "claims_summary": guide.summary(found),
        "support_note": support_note(evidence),
        "foil": evidence.foil,
        "foil_faults": FAULTS,
    }


def support_note(evidence: Evidence) -> str:
    """Say whose facts the browser column holds, how much they cover, and, by the run's day, whether they are old."""
    facts = evidence.support
    if facts is None:
        return ""
    text = (
        f"Browser support: of the usage whose browser version is known ({digits(facts.attributed_percent)} % of all), "
        f"by {publications(facts)}; caniuse.com's data are under CC BY 4.0."
    )
    try:
        today = date.fromisoformat(evidence.study.run.started_utc[:10])
    except ValueError:
        return text
    return f"{text} {stale(facts, today)}".rstrip()
