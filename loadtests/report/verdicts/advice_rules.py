"""Rules for the guide's sentences of advice: duplex, requests, one server, Redis, heartbeats, security habits."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.records.schema import Validity
from loadtests.report import variants
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result
from loadtests.report.middleboxes import heartbeat_words, heartbeats_keep_more
from loadtests.report.quantity import count, digits, listed, share, span
from loadtests.report.verdicts.evidence import (
    CORE_US,
    DISTRACTING_MS,
    INSTANT_MS,
    CutResult,
    Evidence,
    Fault,
    Finding,
    Ruling,
    not_tested,
)
from loadtests.report.verdicts.table_rules import usable


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
        Ruling.TRUE if own.duplex else Ruling.FALSE,
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
    ruling = Ruling.FALSE if slowest <= INSTANT_MS else Ruling.TRUE_IF
    if received < expected or slowest > DISTRACTING_MS:
        ruling = Ruling.TRUE
    measured = (
        f"Long polling, which is nothing but requests and responses: {share(received, expected)} of its messages "
        f"arrived, half of them within {span(min(medians), slowest)} ms. Up to {INSTANT_MS:g} ms feels instant."
    )
    condition = f"{digits(slowest)} ms is too slow for you" if ruling is Ruling.TRUE_IF else ""
    return Finding(ruling, measured, condition, evidence.run)


_LEFT, _AFTER = "vanishing-", "_left_after_s"


def heartbeat(evidence: Evidence) -> Finding:
    """Judge by peers whose packets were dropped: the room must be notified of each one's leaving within its bound.

    Behind boxes that cut what is silent a heartbeat has a second use, which is said beside it. It decides where no
    peer vanished: true if heartbeats kept more connections open than silence did.
    """
    rows = evidence.faults_of("half-open")
    found = {transport: (after_s, bound_s) for row in rows for transport, after_s, bound_s in _vanished(row)}
    behind = heartbeat_words(evidence.middleboxes) if evidence.middleboxes else ""
    if evidence.faults is None or not found:
        if evidence.middleboxes is None or not behind:
            return not_tested("No fault run with vanished peers lies beside this run (make faults).")
        kept = Ruling.TRUE if heartbeats_keep_more(evidence.middleboxes) else Ruling.FALSE
        return Finding(kept, behind, source=_of_boxes(evidence))
    late = [in_prose(transport) for transport, (after_s, bound_s) in found.items() if not 0 <= after_s <= bound_s]
    ruling = Ruling.TRUE if not late else Ruling.FALSE if len(late) == len(found) else Ruling.TRUE_IF
    said = [f"{in_prose(transport)} after {digits(after_s)} s" for transport, (after_s, _) in found.items()]
    bound_s = max(bound_s for _, bound_s in found.values())
    noticed = f"Clients cut off without a goodbye were noticed: {listed(said)} (promised: {digits(bound_s)} s)."
    return Finding(
        ruling,
        f"{noticed} {behind}".rstrip(),
        f"the connection is not {listed(late)}" if ruling is Ruling.TRUE_IF else "",
        "; ".join(
            filter(None, (f"faults.json, commit {evidence.faults.commit}", _of_boxes(evidence) if behind else ""))
        ),
    )


def _of_boxes(evidence: Evidence) -> str:
    return f"middleboxes.json, commit {evidence.middleboxes.commit}" if evidence.middleboxes else ""


def _vanished(row: Fault) -> list[tuple[str, float, float]]:
    bound_s = float(row.measured.get("bound_s", 0.0))
    return [
        (name.removeprefix(_LEFT).removesuffix(_AFTER), float(value), bound_s)
        for name, value in row.measured.items()
        if name.startswith(_LEFT) and name.endswith(_AFTER)
    ]


def disconnection(evidence: Evidence) -> Finding:
    """Judge by clients whose cable is pulled: is anything lost without a plan for it, that is, without a resume?"""
    found = evidence.cuts
    anew, resumed = (found.of(resume=resume) if found else () for resume in (False, True))
    if found is None or not anew or not resumed:
        return not_tested("No valid run with planned cuts lies beside this run (rtlab run cuts).")
    lost, due = sum(each.lost for each in anew), sum(each.expected for each in anew)
    kept_lost, twice = (sum(getattr(each, name) for each in resumed) for name in ("lost", "duplicates"))
    cycle_s = anew[0].up_s + anew[0].offline_s
    kept = "none was lost and none came twice" if not (kept_lost or twice) else f"{kept_lost:,} lost, {twice:,} twice"
    measured = (
        f"The cable of each client was out for {anew[0].offline_s:g} of every {cycle_s:g} s. Clients that "
        f"began anew lost {share(lost, due)} of their messages, over {_over(anew)}. Of those that said where they "
        f"were, over {_over(resumed)}: {kept}."
    )
    return Finding(Ruling.TRUE if lost else Ruling.FALSE, measured, source=f"run {found.run_id}")


def _over(results: Sequence[CutResult]) -> str:
    return listed(list(dict.fromkeys(in_prose(each.transport) for each in results)))


def habit(fault: str, evidence: Evidence) -> Finding:
    """Judge the habit that prevents one fault of the guide's server.

    A habit is borne out where the guide's own server, which lacks it, comes to harm, and ours, which has it, does not.
    """
    row = evidence.foil.row(fault) if evidence.foil else None
    if evidence.foil is None or row is None:
        return not_tested("The guide's own server was not tried for it.")
    ruling = Ruling.TRUE if row.foil_faulty and not row.ours_faulty else Ruling.FALSE
    return Finding(
        ruling,
        f"Without it, the guide's own server: {row.foil}. With it, ours: {row.ours}.",
        source=f"foil.json, commit {evidence.foil.commit}",
    )


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
        return Finding(Ruling.TRUE, measured, source=evidence.run)
    most = CORE_US / cpu_us.value
    condition = f"you need more than about {digits(most, 2)} deliveries a second from one core{_or_survive(evidence)}"
    return Finding(Ruling.TRUE_IF, measured, condition, evidence.run)


_DELIVERED = ("received", "heard", "deliveries")  # the figure's name; `heard` in reports of earlier versions


def redis(evidence: Evidence) -> Finding:
    """Judge Redis pub/sub as the way to several servers: by order and loss over two, and by the guide's own form."""
    rows = evidence.faults_of("order", "load")
    if evidence.faults is None or not rows:
        return not_tested("No fault run over several servers lies beside this run (make faults).")
    lost = sum(int(row.measured.get("lost", 0)) for row in rows)
    held = all(row.passed for row in rows) and lost == 0
    twice = evidence.foil.row("delivered_twice") if evidence.foil else None
    delivered = sum(int(next((row.measured[name] for name in _DELIVERED if name in row.measured), 0)) for row in rows)
    share_lost = f"{lost:,} of {delivered:,} deliveries"
    found = f": {share_lost} lost, the order kept." if held else f" lost {share_lost}, or their order."
    measured = f"Two servers that share their rooms in Redis{found}"
    if twice:
        measured += f" The guide's own form, publish and also broadcast locally: {twice.foil}."
    conditions = ["each server delivers only what comes back from Redis"] if twice and twice.foil_faulty else []
    if _survived(evidence):
        conditions.append("what was missed is read from a stored history, since pub/sub alone forgets")
    ruling = Ruling.FALSE if not held else Ruling.TRUE_IF if conditions else Ruling.TRUE
    source = f"faults.json, commit {evidence.faults.commit}" + (
        f"; foil.json, commit {evidence.foil.commit}" if evidence.foil and twice else ""
    )
    return Finding(
        ruling,
        f"{measured} {_hop(evidence)}".rstrip(),
        ", and ".join(conditions) if ruling is Ruling.TRUE_IF else "",
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
        for row in evidence.faults_of("server-kill")
        if row.passed and not row.measured.get("lost")
    )
    return f", or to outlive its death (two lost nothing when killed {count(kills, 'time')})" if kills else ""


def _survived(evidence: Evidence) -> bool:
    """Whether Redis connections were cut and nothing was lost: what the stored history is for."""
    rows = evidence.faults_of("redis-client-kill")
    return any(row.passed and row.measured.get("kills") and not row.measured.get("lost") for row in rows)


def _hop(evidence: Evidence) -> str:
    """What the way through Redis adds, where this run measured it."""
    return variants.scaled_sentence([pair for pair in variants.scaled(evidence.study) if pair.transport == "websocket"])
