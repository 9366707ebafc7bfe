"""Scaling: how far one server goes, and what several with Redis between them need."""

from __future__ import annotations

from loadtests.records.schema import Validity
from loadtests.report import variants
from loadtests.report.condition import Result
from loadtests.report.quantity import count, digits
from loadtests.report.verdicts.evidence import Evidence, Fault
from loadtests.report.verdicts.ruling import CORE_US, Finding, Verdict, not_tested


def single_server(evidence: Evidence) -> Finding:
    """Judge "a single WebSocket server won't scale": it has a limit; below it, one server is enough.

    True outright only where one process lost something under the heaviest load of the run. Otherwise the limit follows
    from the processor time per delivery, which is stated for one core.
    """
    heaviest = _heaviest(evidence)
    cpu_us = heaviest.costs.server_cpu_us if heaviest else None
    if heaviest is None or cpu_us is None:
        return not_tested("This run has no valid measurement of one WebSocket server with its processor time.")
    c, received, expected = heaviest.condition, heaviest.total("received"), heaviest.total("expected")
    per_s = c.subscribers * c.rate_per_s
    measured = (
        f"One process on one core brought {received:,} of {expected:,} messages to {c.subscribers:,} receivers "
        f"({per_s:,.0f} deliveries a second), at {digits(cpu_us.value)} µs of processor time each."
    )
    if received < expected:
        return Finding(Verdict.TRUE, measured, source=evidence.run)
    most = CORE_US / cpu_us.value
    condition = f"you need more than about {digits(most, 2)} deliveries a second from one core{_or_survive(evidence)}"
    return Finding(Verdict.TRUE_IF, measured, condition, evidence.run)


def redis(evidence: Evidence) -> Finding:
    """Judge Redis pub/sub as the way to several servers: by order and loss over two, and by the guide's own form."""
    rows = _over_instances(evidence)
    if evidence.faults is None or not rows:
        return not_tested("No fault run over several servers lies beside this run (make faults).")
    lost = sum(int(row.measured.get("lost", 0)) for row in rows)
    held = all(row.passed for row in rows) and lost == 0
    twice = evidence.foil.row("delivered_twice") if evidence.foil else None
    heard = sum(int(row.measured.get("heard", row.measured.get("deliveries", 0))) for row in rows)
    measured = f"Two servers that share their rooms in Redis: {lost:,} of {heard:,} deliveries lost, the order kept."
    if not held:
        measured = f"Two servers that share their rooms in Redis lost {lost:,} of {heard:,} deliveries, or their order."
    if twice:
        measured += f" The guide's own form, publish and also broadcast locally: {twice.foil}."
    conditions = ["each server delivers only what comes back from Redis"] if twice and twice.foil_faulty else []
    if _survived(evidence):
        conditions.append("what was missed is read from a stored history, since pub/sub alone forgets")
    verdict = Verdict.FALSE if not held else Verdict.TRUE_IF if conditions else Verdict.TRUE
    source = f"faults.json, commit {evidence.faults.commit}" + (
        f"; foil.json, commit {evidence.foil.commit}" if evidence.foil and twice else ""
    )
    return Finding(
        verdict,
        f"{measured} {_hop(evidence)}".rstrip(),
        ", and ".join(conditions) if verdict is Verdict.TRUE_IF else "",
        source,
    )


def _heaviest(evidence: Evidence) -> Result | None:
    """The WebSocket condition with the most deliveries a second, on one process over loopback, that can be believed."""
    found = [
        result
        for result in evidence.study.of_kind("latency", "fan-out")
        if result.condition.transport == "websocket"
        and result.condition.link == "loopback"
        and result.validity is not Validity.INVALID
        and result.costs.server_cpu_us
    ]
    return max(found, key=lambda r: r.condition.subscribers * r.condition.rate_per_s, default=None)


def _or_survive(evidence: Evidence) -> str:
    """One server is also one thing that can die: said where the fault run killed servers and lost nothing."""
    kills = sum(
        int(row.measured.get("kills", 0))
        for row in (evidence.faults.rows_of("server-kill") if evidence.faults else ())
        if row.passed and not row.measured.get("lost")
    )
    return f", or to outlive its death (two lost nothing when killed {count(kills, 'time')})" if kills else ""


def _over_instances(evidence: Evidence) -> tuple[Fault, ...]:
    faults = evidence.faults
    return (*faults.rows_of("order"), *faults.rows_of("load")) if faults else ()


def _survived(evidence: Evidence) -> bool:
    """Whether Redis connections were cut and nothing was lost: what the stored history is for."""
    rows = evidence.faults.rows_of("redis-client-kill") if evidence.faults else ()
    return any(row.passed and row.measured.get("kills") and not row.measured.get("lost") for row in rows)


def _hop(evidence: Evidence) -> str:
    """What the way through Redis adds, where this run measured it."""
    return variants.scaled_sentence([pair for pair in variants.scaled(evidence.study) if pair.transport == "websocket"])
