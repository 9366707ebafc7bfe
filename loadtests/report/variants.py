"""One transport, one load, two ways to serve it: what each other way costs beside the ordinary one.

Four kinds of pair. `stack`: the portable sink beside frames written straight to the sockets. `scaled`: several
processes that share their rooms in Redis beside one process with rooms in its memory. `budget`: a server that stamps
each event's steps beside one that does not. `ablation`: a server with one thing changed, either the time for which it
collects events before it writes (the same on every transport: is its price one of batching?), or compression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from loadtests.records.schema import TLS, Validity
from loadtests.report import bootstrap
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result, value_of
from loadtests.report.quantity import AtLeast, count, digits, listed, span
from loadtests.report.study import TABLE_KINDS, Study

STACK, SCALED, BUDGET, ABLATION = "stack", "scaled", "budget", "ablation"

_COLLECTING = "coalesce="
_DELIVERIES = "deliveries_instance_"
_SHOWN_EACH = 4  # instances of a cell whose figures are shown one by one


@dataclass(frozen=True, slots=True)
class Pair:
    """One transport under one load: the ordinary server and the other one."""

    transport: str
    plain: Result
    other: Result

    @property
    def comparable(self) -> bool:
        """Whether neither side is invalid."""
        return Validity.INVALID not in (self.plain.validity, self.other.validity)

    @property
    def plain_cpu_us(self) -> float | None:
        """Server CPU per delivery in microseconds."""
        return value_of(self.plain.costs.server_cpu_us)

    @property
    def other_cpu_us(self) -> float | None:
        """Server CPU per delivery in microseconds."""
        return value_of(self.other.costs.server_cpu_us)

    @property
    def cpu_ratio(self) -> float | None:
        """How many times the ordinary server's CPU the other one takes; None where either is unknown or invalid."""
        plain, other = self.plain_cpu_us, self.other_cpu_us
        return other / plain if plain and other and self.comparable else None

    @property
    def added_ms(self) -> float | None:
        """Median of the other minus the ordinary one's; None where one is not known, only from below, or invalid."""
        plain, other = self.plain.percentiles.p50_ms, self.other.percentiles.p50_ms
        if plain is None or other is None or AtLeast in (type(plain), type(other)) or not self.comparable:
            return None
        return other - plain

    @property
    def added(self) -> bootstrap.Difference | None:
        """`added_ms` with its interval; None where one time block is all there is to resample."""
        plain, other = self.plain.blocks, self.other.blocks
        if self.added_ms is None or not (plain and other) or min(len(plain.run_block), len(other.run_block)) < 2:
            return None
        return bootstrap.difference(other, plain, 50.0)

    @property
    def deliveries(self) -> tuple[tuple[int, ...], ...]:
        """What each instance delivered, for each used cell of the other server."""
        counted = ([v for k, v in cell.server.items() if k.startswith(_DELIVERIES)] for cell in self.other.used)
        return tuple(tuple(int(figure) for figure in figures) for figures in counted if figures)

    @property
    def instances(self) -> int:
        """How many processes the other server had; 0 if it did not say."""
        return max(map(len, self.deliveries), default=0)


def stacks(study: Study) -> list[Pair]:
    """Return the pairs of two sinks: cells of kind `stack`, each with the tabled condition of the same load.

    A transport whose server said the same sink in both is left out: there is nothing to compare.
    """

    sinks = ({"direct"}, {"portable"})
    return list(_pairs(study, STACK, lambda plain, other: (_sinks(plain), _sinks(other)) == sinks))


def writes_note(found: list[Pair]) -> str:
    """Say by which system call the direct servers write to many sockets; empty where they did not say."""
    said = {str(cell.server["writes"]) for pair in found for cell in pair.plain.cells if "writes" in cell.server}
    return f"Frames went to many sockets by {listed(sorted(said))}." if said else ""


def scaled(study: Study) -> list[Pair]:
    """Return the pairs of one process and several: cells of kind `scaled`, each with the condition it was made from."""

    return list(_pairs(study, SCALED, lambda plain, other: other.condition.load == f"{plain.condition.load}-redis"))


def stamped(study: Study) -> list[Pair]:
    """Return the pairs that show what stamping costs: cells of kind `budget`, each with the ordinary ones."""
    return list(_pairs(study, BUDGET, lambda plain, other: _sinks(plain) == _sinks(other)))


def stamped_sentence(found: list[Pair]) -> str:
    """Say in one sentence what stamping the steps costs; empty without any pair that can be compared."""
    parts = []
    for pair in found:
        if pair.added_ms is not None:
            ratio = f", server CPU {digits(pair.cpu_ratio)} times" if pair.cpu_ratio else ""
            interval = f" [{span(pair.added.low_ms, pair.added.high_ms, 'ms')}]" if pair.added else ""
            parts.append(f"half of all deliveries {_hop(pair)}{interval}{ratio} over {in_prose(pair.transport)}")
    return f"What stamping itself costs: {'; '.join(parts)}." if parts else ""


def stack_sentence(found: list[Pair]) -> str:
    """Say in one sentence what the pairs show; empty without any."""
    said = [f"{digits(pair.cpu_ratio)} times for {in_prose(pair.transport)}" for pair in found if pair.cpu_ratio]
    if not said:
        return ""
    return (
        f"The stack on top of the protocol costs processor time: the portable sink takes {listed(said)} "
        "what direct frames take."
    )


def scaled_sentence(found: list[Pair]) -> str:
    """Say in one sentence what the hop through Redis adds and what it costs; empty without any pair."""
    if not found:
        return ""
    processes = max(pair.instances for pair in found)
    subject = count(processes, "process", "processes") if processes else "processes"
    hops = [f"{_hop(pair)} over {in_prose(pair.transport)}" for pair in found if pair.added_ms is not None]
    ratios = [pair.cpu_ratio for pair in found if pair.cpu_ratio]
    parts = [f"half of all deliveries take {listed(hops)}"] if hops else []
    if ratios:
        parts.append(f"the server's CPU per delivery is {span(min(ratios), max(ratios))} times that of one process")
    return f"With {subject} on Redis, {'; '.join(parts) or 'nothing could be compared'}."


def shares(pair: Pair) -> str:
    """Return the deliveries of each instance in words, cell by cell; many instances by their extremes."""
    said = [
        " + ".join(f"{figure:,}" for figure in cell)
        if len(cell) <= _SHOWN_EACH
        else f"{count(len(cell), 'instance')}, {min(cell):,} to {max(cell):,}"
        for cell in pair.deliveries
    ]
    return "; ".join(said)


def _hop(pair: Pair) -> str:
    difference = pair.added
    if difference is not None and difference.indistinguishable:
        return "indistinguishably long"
    added_ms = pair.added_ms or 0.0
    return f"{digits(abs(added_ms))} ms {'longer' if added_ms >= 0 else 'less'}"


def _pairs(study: Study, kind: str, belong: Callable[[Result, Result], bool]) -> Iterator[Pair]:
    for other in study.of_kind(kind):
        for plain in study.of_kind(*TABLE_KINDS):
            if _load(plain) == _load(other) and belong(plain, other):
                yield Pair(plain.condition.transport, plain, other)


def _load(result: Result) -> tuple[str, str, int, float]:
    condition = result.condition
    return condition.transport, condition.link, condition.subscribers, condition.rate_per_s


def _sinks(result: Result) -> set[object]:
    return {cell.server.get("sink") for cell in result.cells}


def ablations(study: Study) -> list[Pair]:
    """Return each ablation with the condition that it changes one thing of, in the table's order; TLS is none."""
    return [pair for pair in _ablated(study) if changed(pair) != TLS]


def over_tls(study: Study) -> list[Pair]:
    """Return each condition that only adds TLS to another with that other, in the table's order."""
    return [pair for pair in _ablated(study) if changed(pair) == TLS]


def _ablated(study: Study) -> list[Pair]:
    plain = {(r.condition.transport, r.condition.load): r for r in study.results if r.condition.kind != ABLATION}
    return [
        Pair(other.condition.transport, base, other)
        for other in study.of_kind(ABLATION)
        if (base := plain.get((other.condition.transport, other.cells[0].against)))
    ]


def changed(pair: Pair) -> str:
    """Name what was changed: the parts of the variant that the plain server did not have."""
    before = pair.plain.cells[0].variant.split(",")
    return ", ".join(part for part in pair.other.cells[0].variant.split(",") if part not in before)


def ablation_sentences(found: Sequence[Pair]) -> tuple[str, ...]:
    """Say what collecting and compression did, in a sentence each; none for what was not measured."""
    collecting = sorted((pair for pair in found if changed(pair).startswith(_COLLECTING)), key=_time_ms)
    said = [_collected(list(group)) for _, group in groupby(collecting, key=_time_ms)]
    return tuple(filter(None, (*said, *map(_compressed, (pair for pair in found if changed(pair) == "deflate")))))


def _time_ms(pair: Pair) -> float:
    return float(changed(pair).removeprefix(_COLLECTING).removesuffix("ms"))


def _collected(found: Sequence[Pair]) -> str:
    """Say which transport is cheapest as the servers are, and which once all of them collect for the same time."""
    known = [pair for pair in found if pair.comparable and pair.plain_cpu_us and pair.other_cpu_us]
    if len(known) < 2:
        return ""
    by_itself = {pair.transport: pair.plain_cpu_us or 0.0 for pair in known}
    collecting = {pair.transport: pair.other_cpu_us or 0.0 for pair in known}
    first, then = min(by_itself, key=by_itself.__getitem__), min(collecting, key=collecting.__getitem__)
    outcome = (
        f"the order has the same head: the lead of {in_prose(first)} is not one of batching"
        if first == then
        else f"{in_prose(then)} is: the lead of {in_prose(first)} was one of batching"
    )
    return (
        f"As the servers are, {in_prose(first)} is the cheapest in CPU per delivery ({_costs(by_itself)}); when all of "
        f"them collect for {digits(_time_ms(known[0]))} ms, {outcome} ({_costs(collecting)})."
    )


def _costs(by_transport: Mapping[str, float]) -> str:
    return listed([f"{in_prose(name)} {digits(cost)} µs" for name, cost in by_transport.items()])


def _compressed(pair: Pair) -> str:
    before, after = value_of(pair.plain.costs.bytes_down), value_of(pair.other.costs.bytes_down)
    if pair.cpu_ratio is None or not before or not after:
        return ""
    return (
        f"Compression over {in_prose(pair.transport)}: {digits(after / before)} times the bytes for "
        f"{digits(pair.cpu_ratio)} times the server's CPU. The lab's messages are mostly padding, so the bytes are the "
        "best that compression can do."
    )
