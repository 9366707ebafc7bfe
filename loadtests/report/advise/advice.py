"""One case, answered: every transport that was measured, in order, with figures, price and risks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from core.catalogue import records
from loadtests.records.errors import UsageError
from loadtests.records.prices import Machine, Prices, stale
from loadtests.records.storm import Storms
from loadtests.report import storm
from loadtests.report.advise import bill as bills
from loadtests.report.advise import points, risks
from loadtests.report.advise.bill import Bill
from loadtests.report.advise.carried import Carried, per_core, searched
from loadtests.report.advise.case import Case
from loadtests.report.advise.costing import Costing, costings
from loadtests.report.advise.figure import Figure
from loadtests.report.advise.option import Option
from loadtests.report.advise.ranking import Ranked, ranked
from loadtests.report.advise.risks import Heartbeat, Risk
from loadtests.report.advise.sizing import MOST, Size, room_fits, size
from loadtests.report.claims import in_prose
from loadtests.report.palette import rank
from loadtests.report.quantity import listed
from loadtests.report.study import Study, study
from loadtests.report.verdicts.catches import duplex
from loadtests.report.verdicts.evidence import REFERENCE, Evidence, gather

MOST_PAYLOAD_BYTES = 4096
"""The protocol's limit for a message's content, in characters (docs/protocol.md): no run measures a larger payload."""

MOST_LOSS_PERCENT = 5.0
"""Above this packet loss TCP's congestion control lowers the sending rate. The models do not include that."""

MOST_LINK_SHARE = 0.1
"""Up to this utilisation of a link its queueing delay is negligible. The models do not include that delay."""

NOMINAL = Machine(vcpus=1, memory_gib=4.0, per_month=0.0)
"""Taken for sizing where the price file has no machine: latencies at a managed service are those of our servers."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What advice is made from."""

    run_id: str
    costings: Mapping[str, Costing]
    evidence: Evidence
    storms: Storms | None
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer. `ranked`: those that fit, the best first; `out`: the others, with the reason."""

    case: Case
    prices: Prices
    run_id: str
    heartbeat: Heartbeat
    ranked: tuple[Ranked, ...]
    out: tuple[Option, ...]
    notes: tuple[str, ...]


def basis(run_dir: Path) -> Basis:
    """Read a run and what lies beside it. Raises RunError."""
    worked_out = study(run_dir)
    return basis_of(worked_out, gather(worked_out, run_dir), run_dir)


def basis_of(worked_out: Study, evidence: Evidence, run_dir: Path) -> Basis:
    """Return what advice is made from, of a run that is worked out already. Raises RunError."""
    fitted = costings(points.of_run(worked_out, run_dir))
    storms = storm.of_run(run_dir, REFERENCE)
    return Basis(worked_out.run.run_id, fitted, evidence, storms, searched(worked_out.run))


def advise(case: Case, prices: Prices, found: Basis, today: date, *, extrapolate: bool = False) -> Advice:
    """Answer a case. Raises UsageError where no model holds, unless it is to be extrapolated."""
    beyond = _beyond(case)
    if beyond and not extrapolate:
        raise UsageError(f"{'; '.join(beyond)}. --extrapolate goes on all the same, and marks each figure")
    if not any(costing.cpu for costing in found.costings.values()):
        raise UsageError(f"run {found.run_id} measured no load that could be carried over to another")
    beat = risks.heartbeat(case)
    options = [
        _option(case, prices, found, costing, beat.every_s, beyond=bool(beyond), extrapolate=extrapolate)
        for _, costing in sorted(found.costings.items(), key=lambda item: rank(item[0]))
        if costing.transport in records()
    ]
    fitting, out = ranked(case, options)
    notes = (*(f"extrapolated: {words}" for words in beyond), _without_tls(case, found), stale(prices, today))
    return Advice(case, prices, found.run_id, beat, fitting, out, tuple(filter(None, notes)))


def _without_tls(case: Case, found: Basis) -> str:
    """Name the transports whose CPU and memory over TLS were not measured: then those without it are shown."""
    lacking = [name for name, costing in found.costings.items() if not (costing.tls_cpu and costing.tls_memory)]
    return (
        f"Without what TLS costs the server: {listed([in_prose(n) for n in lacking])}." if case.tls and lacking else ""
    )


def _beyond(case: Case) -> tuple[str, ...]:
    """Say where no model holds. Raises UsageError where the case cannot be at all."""
    link = case.line
    found = []
    if case.payload_bytes > MOST_PAYLOAD_BYTES:
        found.append(f"no model holds for a payload of {case.payload_bytes} B: at most {MOST_PAYLOAD_BYTES} B")
    if case.loss_percent > MOST_LOSS_PERCENT:
        found.append(f"no model holds for a loss of {case.loss_percent:g} %: at most {MOST_LOSS_PERCENT:g} %")
    if link is not None and link.rate_mbit:
        share = _link_share(case, case.payload_bytes)
        if share >= 1:
            raise UsageError(_overfull(case, share))
        if share > MOST_LINK_SHARE:
            found.append(_overfull(case, share))
    return tuple(found)


def _link_share(case: Case, delivery_bytes: float) -> float:
    """Return which share of a subscriber's link its deliveries take; 0 where the link has no rate."""
    rate_mbit = case.line.rate_mbit if case.line else 0.0
    return delivery_bytes * case.rate_per_s * 8 / 1e6 / rate_mbit if rate_mbit else 0.0


def _overfull(case: Case, share: float) -> str:
    """Say why a link is too full for a transport, or for the models."""
    rate_mbit = case.line.rate_mbit if case.line else 0.0
    if share >= 1:
        return f"each link carries {rate_mbit:g} Mbit/s, and its subscriber needs {share * rate_mbit:.3g}"
    of = f"{share:.0%} of a link's {rate_mbit:g} Mbit/s"
    return f"no model holds for the queue where a subscriber needs {of}: at most {MOST_LINK_SHARE:.0%}"


def _option(
    case: Case, prices: Prices, found: Basis, costing: Costing, beat_s: float, *, beyond: bool, extrapolate: bool
) -> Option:
    def marked(figure: Figure | None) -> Figure | None:
        return replace(figure, extrapolated=True) if figure is not None and extrapolated else figure

    needed = size(costing, case, prices.machine or NOMINAL)
    each = needed.each if needed else None
    wire = costing.wire_bytes(each, tls=case.tls) if each else None
    share = _link_share(case, wire.value) if wire else 0.0
    extrapolated = beyond or (extrapolate and share > MOST_LINK_SHARE)
    wire = marked(wire)
    full = _overfull(case, share) if share >= 1 or (share > MOST_LINK_SHARE and not extrapolate) else ""
    jitter_ms = case.line.jitter_ms if case.line else 0.0
    ours = needed if prices.machine else None
    two_way = duplex(found.evidence, costing.transport)
    known = risks.risks(case, found.evidence, found.storms, costing.transport, ours, beat_s)
    return Option(
        transport=costing.transport,
        p50_ms=marked(costing.latency_ms(each, 50.0)) if each else None,
        p99_ms=marked(costing.latency_ms(each, 99.0, jitter_ms)) if each else None,
        wire_bytes=wire,
        cpu_us=marked(needed.busy_us.times(1 / case.deliveries_per_s)) if needed else None,
        memory_kib=costing.held_kib(case),
        capacity_per_s=marked(per_core(costing, needed, found.carried)) if needed else None,
        size=ours,
        bill=_bill(case, prices, needed, wire, beat_s, two_way=two_way),
        risks=known,
        window_s=risks.window_s(case, found.storms, costing.transport, ours),
        two_way=two_way,
        out=_out(case, found, costing, needed, known) or full,
    )


def _out(case: Case, found: Basis, costing: Costing, needed: Size | None, known: Sequence[Risk]) -> str:
    if needed is None:
        missing = "its processor time" if costing.cpu is None else "its memory" if costing.memory is None else ""
        if missing:
            return f"{missing} was not measured"
        if room_fits(costing, case):
            return f"it needs more than {MOST:,} processes"
        return f"one room alone is more than {MOST:,} processes carry"
    return risks.misfit(case, found.evidence, costing.transport) or risks.rule_out(known)


def _bill(
    case: Case, prices: Prices, needed: Size | None, wire: Figure | None, beat_s: float, *, two_way: bool
) -> Bill | None:
    if needed is None or wire is None:
        return None
    if prices.service is not None:
        return bills.on_service(case, wire, prices, two_way=two_way)
    return bills.on_machines(case, needed, wire, beat_s, prices, two_way=two_way)
