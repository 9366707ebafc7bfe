"""Ablations: one transport under one load, with one thing about the server changed. What it did to latency and cost.

Two things are changed: the time for which the server collects events before it writes (the same on every transport:
what of a transport's price is its missing or built-in batching?), and compression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from loadtests.report.claims import in_prose
from loadtests.report.condition import Result
from loadtests.report.quantity import digits, listed
from loadtests.report.study import Study
from loadtests.report.variants import Pair

KIND = "ablation"
_COLLECTING = "coalesce="


def pairs(study: Study) -> list[Pair]:
    """Return each ablation with the condition that it changes one thing of, in the table's order."""
    plain = {(r.condition.transport, r.condition.load): r for r in study.results if r.condition.kind != KIND}
    found: list[Pair] = []
    for other in study.of_kind(KIND):
        base = plain.get((other.condition.transport, other.cells[0].against))
        if base is not None:
            found.append(Pair(other.condition.transport, base, other))
    return found


def changed(pair: Pair) -> str:
    """Name what was changed: the parts of the variant that the plain server did not have."""
    before = pair.plain.cells[0].variant.split(",")
    return ", ".join(part for part in pair.other.cells[0].variant.split(",") if part not in before)


def packets(result: Result) -> float | None:
    """Segments in and out per delivery."""
    return result.costs.packets.value if result.costs.packets else None


def bytes_down(result: Result) -> float | None:
    """Bytes received per delivery."""
    return result.costs.bytes_down.value if result.costs.bytes_down else None


def sentences(found: Sequence[Pair]) -> tuple[str, ...]:
    """Say what collecting and compression did, in a sentence each; none for what was not measured."""
    collecting = sorted((pair for pair in found if changed(pair).startswith(_COLLECTING)), key=_time_ms)
    said = [_collected(list(group)) for _, group in groupby(collecting, key=_time_ms)]
    return tuple(filter(None, (*said, *map(_compressed, (pair for pair in found if changed(pair) == "deflate")))))


def _time_ms(pair: Pair) -> float:
    return float(changed(pair).removeprefix(_COLLECTING).removesuffix("ms"))


def _collected(found: Sequence[Pair]) -> str:
    """Say who is cheapest as the servers are, and who once all of them collect for the same time."""
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
    before, after = bytes_down(pair.plain), bytes_down(pair.other)
    if pair.cpu_ratio is None or not before or not after:
        return ""
    return (
        f"Compression over {in_prose(pair.transport)}: {digits(after / before)} times the bytes for "
        f"{digits(pair.cpu_ratio)} times the server's CPU. The lab's messages are mostly padding, so the bytes are the "
        "best that compression can do."
    )
