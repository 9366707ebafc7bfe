"""The guide's sentences that can be tested, in its order, each with test and rule; what the page shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from loadtests.records.facts import stale
from loadtests.report.claims import GUIDE_COLUMNS, GUIDE_LATENCY_MS, title
from loadtests.report.quantity import count, digits, listed
from loadtests.report.verdicts import advice_rules, columns, table_rules
from loadtests.report.verdicts.evidence import Claim, Evidence, Finding, Ruling
from loadtests.report.verdicts.table_rules import publications

_COMPLEXITY = {transport: complexity for transport, (_, complexity) in GUIDE_COLUMNS.items()}

_LATENCY = (
    "Messages sent on a fixed timetable; the time from when each was due until the receiver's system had it. The guide "
    "rounds to hundreds, so the middle value must round to its figure."
)
_SUPPORT = "Published facts on every browser version, weighed by how much it is used; and a look into browsers here."
_COMPLEX = "Our own server and client counted by a tool: “low” must come out below each “medium”."

_HABITS = (
    (
        "habit-token",
        "Ask who it is before anything else",
        "any_user_id",
        "Somebody claims another user's name.",
    ),
    ("habit-origin", "Check the Origin of a connection", "foreign_origin", "A foreign web page tries to connect."),
    ("habit-rate", "Limit how fast each user may send", "no_rate_limit", "One user floods a room."),
    ("habit-sanitise", "Sanitise what users send", "markup_relayed", "A user sends a script as a message."),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence with its finding."""

    claim: Claim
    finding: Finding


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(f"latency-{t}", "Latency", f"{title(t)}: latency ~{ms:g} ms", _LATENCY, partial(table_rules.latency, t))
        for t, ms in GUIDE_LATENCY_MS.items()
    ),
    *(
        Claim(
            f"support-{t}",
            "Browser support",
            f"{title(t)}: browser support {word}",
            _SUPPORT,
            partial(table_rules.support, t, word),
        )
        for t, (word, _) in GUIDE_COLUMNS.items()
    ),
    *(
        Claim(
            f"complexity-{t}",
            "Complexity",
            f"{title(t)}: complexity {word}",
            _COMPLEX,
            partial(table_rules.complexity, t, _COMPLEXITY),
        )
        for t, word in _COMPLEXITY.items()
    ),
    Claim(
        "full-duplex",
        "What it can do",
        "WebSocket is full-duplex",
        "A message is sent on the very connection on which messages arrive, without a second one.",
        advice_rules.full_duplex,
    ),
    Claim(
        "request-response",
        "What it can do",
        "HTTP request-response is dead",
        "Long polling is measured beside the rest: does everything arrive, and fast enough to feel instant?",
        advice_rules.request_response,
    ),
    Claim(
        "ease",
        "What it can do",
        "Socket.IO for ease of use",
        "The same room over both: how much code is left to write, and what each message costs.",
        table_rules.ease,
    ),
    Claim(
        "one-server",
        "Many users",
        "A single WebSocket server won't scale",
        "One server process gets the heaviest load of this run; its limit follows from the processor time it took.",
        advice_rules.single_server,
    ),
    Claim(
        "redis",
        "Many users",
        "Redis pub/sub lets servers scale out",
        "Two servers on one Redis under load, their connections to it cut; and the guide's own code the same way.",
        advice_rules.redis,
    ),
    Claim(
        "heartbeat",
        "Many users",
        "A heartbeat finds dead peers",
        "Clients vanish without a word: their packets are dropped. When does the room say that they left?",
        advice_rules.heartbeat,
    ),
    Claim(
        "disconnection",
        "Many users",
        "Always plan for disconnection",
        "Cables are pulled and put back by a schedule. Clients say where they were, or begin anew.",
        advice_rules.disconnection,
    ),
    *(
        Claim(slug, "Security", sentence, tested, partial(advice_rules.habit, fault))
        for slug, sentence, fault, tested in _HABITS
    ),
)


def judged(evidence: Evidence) -> tuple[Judged, ...]:
    """Put every sentence to its rule."""
    return tuple(Judged(claim, claim.rule(evidence)) for claim in CLAIMS)


@dataclass(frozen=True, slots=True)
class Topic:
    """The sentences of one topic; `tested` is empty where each has a test of its own."""

    name: str
    tested: str
    judged: tuple[Judged, ...]


def topics(found: Iterable[Judged]) -> tuple[Topic, ...]:
    """Group what was judged by topic, in order."""
    grouped: dict[str, list[Judged]] = {}
    for one in found:
        grouped.setdefault(one.claim.topic, []).append(one)
    return tuple(
        Topic(name, tests.pop() if len(tests := {one.claim.tested for one in ones}) == 1 else "", tuple(ones))
        for name, ones in grouped.items()
    )


def summary(found: Iterable[Judged]) -> str:
    """Count the verdicts in one sentence."""
    verdicts = [one.finding.ruling for one in found]
    words = {
        Ruling.TRUE: "true",
        Ruling.TRUE_IF: "true under a condition",
        Ruling.FALSE: "false",
        Ruling.NOT_TESTABLE: "not testable here",
        Ruling.NOT_TESTED: "not tested in this run",
    }
    parts = [f"{number} {word}" for ruling, word in words.items() if (number := verdicts.count(ruling))]
    return f"Of {count(len(verdicts), 'sentence')} of the guide that can be tested: {listed(parts)}."


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
    found = judged(evidence)
    return {
        "claimed_transports": columns.transports(evidence),
        "properties": columns.properties(evidence),
        "topics": topics(found),
        "claims_summary": summary(found),
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
