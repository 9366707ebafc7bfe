"""Which transport for which case, by stated rules over what was measured, with the figures and the catch.

Only transports that browsers have take part (`SUPPORT_PERCENT["excellent"]`), as they were measured under the
heaviest load on this machine itself, the same for all. Cheapest: least server CPU per delivery; where that is alike,
least memory per idle connection. No answer is typed: other data, another answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.catalogue import records
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result, bytes_known, value_of
from loadtests.report.frontier import AS_CHEAP_SHARE
from loadtests.report.places import near
from loadtests.report.quantity import count, digits, greatest, listed
from loadtests.report.verdicts.catches import catch_of, duplex, held_streams, in_browsers, proxied
from loadtests.report.verdicts.columns import transports
from loadtests.report.verdicts.evidence import DISTRACTING_MS, UNSEEN_MS, Evidence
from loadtests.report.verdicts.table_rules import usable

NOT_KNOWN = "This run cannot say"


@dataclass(frozen=True, slots=True)
class Choice:
    """One case with its answer: a transport, why, and what it costs; `transport` is empty where nothing can be said."""

    slug: str
    case: str
    rule: str  # how the answer is found, the same for every run
    transport: str
    because: str
    catch: str

    @property
    def answer(self) -> str:
        """The transport's name in prose."""
        return in_prose(self.transport) if self.transport else NOT_KNOWN

    @property
    def short(self) -> str:
        """The case in a few words, inside a sentence."""
        return _SHORT[self.slug]


@dataclass(frozen=True, slots=True)
class _Option:
    """A transport that takes part, with its figures under the one load."""

    transport: str
    result: Result
    p50_ms: float
    cpu_us: float
    kib: float | None

    @property
    def costs(self) -> str:
        memory = f", {digits(self.kib)} KiB a connection" if self.kib is not None else ""
        return f"{digits(self.cpu_us)} µs of processor time a delivery{memory}"


_Answer = tuple[str, str, str]  # transport, because, catch
_NOTHING: _Answer = ("", "what it needs was not measured.", "")


def options(evidence: Evidence) -> tuple[_Option, ...]:
    """Return what takes part: in today's browsers, usable here, with the server's CPU known."""
    found = []
    measured = {result.condition.transport: result for result in near(evidence.study)}
    for transport in transports(evidence):
        here = measured.get(transport)
        cpu_us = value_of(here.costs.server_cpu_us) if here else None
        if here and here.p50 and cpu_us is not None and in_browsers(evidence, transport):
            kib = value_of(evidence.study.memory.get(transport))
            found.append(_Option(transport, here, here.p50.value_ms, cpu_us, kib))
    return tuple(found)


def choices(evidence: Evidence) -> tuple[Choice, ...]:
    """Answer every case."""
    among = options(evidence)
    return tuple(
        Choice(slug, case, rule, *(find(evidence, among) if among else _NOTHING)) for slug, case, rule, find in _CASES
    )


def summary(found: Iterable[Choice]) -> str:
    """Say in one sentence which transport is for what; empty where nothing can be said."""
    by_answer: dict[str, list[str]] = {}
    for choice in found:
        if choice.transport:
            by_answer.setdefault(choice.answer, []).append(choice.short)
    parts = [f"{answer} for {listed(cases)}" for answer, cases in by_answer.items()]
    return f"Which to use: {'; '.join(parts)}." if parts else ""


def _unseen(evidence: Evidence, among: Sequence[_Option]) -> list[_Option]:
    """Keep those that nobody sees come later than the fastest, over every line that was measured."""
    slowest: dict[tuple[str, str], dict[str, float]] = {}
    for option in among:
        for result in usable(evidence, option.transport):
            if result.p50:
                where = result.condition.load, result.condition.link
                slowest.setdefault(where, {})[option.transport] = greatest(result.p50.value_ms)
    late = {name for at in slowest.values() for name, ms in at.items() if ms > min(at.values()) + UNSEEN_MS}
    return [option for option in among if option.transport not in late]


def _by_cost(among: Sequence[_Option]) -> list[_Option]:
    """Order by CPU, those as cheap as the cheapest by memory among themselves."""
    ordered = sorted(among, key=lambda option: option.cpu_us)
    limit = ordered[0].cpu_us * (1 + AS_CHEAP_SHARE) if ordered else 0.0
    alike = [option for option in ordered if option.cpu_us <= limit]
    # What was not measured comes last among equals.
    alike.sort(key=lambda option: (option.kib is None, option.kib))
    return [*alike, *ordered[len(alike) :]]


def _as_cheap(best: _Option, among: Sequence[_Option]) -> str:
    """Say by what the first of `_by_cost` won: by memory, where another takes a little less CPU."""
    least = min(option.cpu_us for option in among)
    return "the cheapest" if best.cpu_us <= least else "as cheap as any, with the least memory"


def _cheapest(evidence: Evidence, among: Sequence[_Option], why: str) -> _Answer:
    ordered = _by_cost(_unseen(evidence, among))
    if not ordered:
        return _NOTHING
    best, *others = ordered
    next_best = f" Next: {in_prose(others[0].transport)}, {others[0].costs}." if others else ""
    because = f"{why} in {digits(best.p50_ms)} ms, and {_as_cheap(best, ordered)}: {best.costs}.{next_best}"
    return best.transport, because, catch_of(evidence, best.transport)


def _one_way(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    return _cheapest(evidence, among, "Half of all messages come")


def _two_way(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    able = [option for option in among if duplex(evidence, option.transport)]
    return _cheapest(evidence, able, "It sends on the connection it receives on; half of all messages come")


def _blocked(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    polls = [o for o in among if records()[o.transport].model != "push" and proxied(evidence, o.transport)]
    if not polls:
        return _NOTHING
    best = min(polls, key=lambda option: option.p50_ms)
    cheapest = min(among, key=lambda option: option.cpu_us)
    because = f"Each answer is whole, so nothing that buffers holds it up: {digits(best.p50_ms)} ms."
    times = f"{digits(best.cpu_us / cheapest.cpu_us, 2)} times the processor time of {in_prose(cheapest.transport)}"
    price = f"{digits(best.cpu_us)} µs a delivery, {times}" if best is not cheapest else ""
    return best.transport, because, "; ".join(filter(None, (price, catch_of(evidence, best.transport))))


def _late(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    in_time = [o for o in among if o.result.p99 and greatest(o.result.p99.value_ms) <= DISTRACTING_MS]
    if not in_time:
        return _NOTHING
    best = _by_cost(in_time)[0]
    asking = [o for o in in_time if records()[o.transport].model == "short poll" and o is not best]
    won = _as_cheap(best, in_time)
    because = f"Of those that bring 99 of 100 messages within {DISTRACTING_MS / 1000:g} s, {won}: {best.costs}."
    if asking:
        because += (
            f" {_capital(in_prose(asking[0].transport))} takes {digits(asking[0].cpu_us / best.cpu_us, 2)} times "
            "that; it holds no connection open, which is what speaks for it."
        )
    return best.transport, because, catch_of(evidence, best.transport)


def _ease(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    counted = evidence.complexity
    if counted is None:
        return _NOTHING
    found = {}
    for option in among:
        servers = [p for p in counted.rows if p.part == "server" and p.transport == option.transport]
        clients = [p for p in counted.others if p.part == "stock client" and p.transport == option.transport]
        if servers and clients:
            found[option.transport] = sum(part.branches for part in (*servers, *clients))
    if not found:
        return _NOTHING
    best, *others = sorted(found, key=found.__getitem__)
    rest = f" Others: {listed([f'{in_prose(t)} {found[t]}' for t in others])}." if others else ""
    because = f"Its server and a client on the usual library have the fewest branches: {found[best]}.{rest}"
    return best, because, catch_of(evidence, best)


def _tabs(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    """One connection per tab: over HTTP/1.1 browsers hold few streams to one server, over HTTP/2 many."""
    streams = {protocol: held_streams(evidence, protocol) for protocol in ("h1", "h2")}
    here = {option.transport: option for option in among}
    plain, multiplexed = streams["h1"], streams["h2"]
    if plain is None or "sse" not in here:
        return _NOTHING
    if plain.held == plain.tried:
        return "sse", f"Browsers held all {plain.tried} streams to one server at once.", catch_of(evidence, "sse")
    few = f"Over HTTP/1.1 browsers held {plain.held} of {count(plain.tried, 'stream')} to one server, all tabs together"
    if multiplexed is not None and multiplexed.held == multiplexed.tried:
        beside = ", and it needs TLS; processor time is not that of the plain stream"
        if "websocket" in here:
            beside += f"; without HTTP/2: WebSocket, whose connections are no requests ({here['websocket'].costs})"
        return "sse-h2", f"{few}; over HTTP/2 all {multiplexed.tried}.", f"the server must speak HTTP/2{beside}"
    if "websocket" in here:
        return "websocket", f"{few}; a WebSocket is no request.", catch_of(evidence, "websocket")
    return _NOTHING


_RADIO = (
    "an LTE radio stays awake about 10 s after each packet (Huang et al., MobiSys 2012; not measured here), so "
    "heartbeats cost battery whichever transport sends them"
)


def _mobile(evidence: Evidence, among: Sequence[_Option]) -> _Answer:
    """Least both ways, of those that lost nothing while a browser was offline."""
    lost = {o.transport: [b.found.get(f"{o.transport}.lost_in_outage") for b in evidence.browsers] for o in among}
    whole = [o for o in _unseen(evidence, among) if lost[o.transport] and set(lost[o.transport]) == {0}]
    what, weighed = _weighed(whole)
    if not weighed:
        return _NOTHING
    best, *others = sorted(weighed, key=weighed.__getitem__)
    rest = f" Next: {in_prose(others[0])}, {digits(weighed[others[0]])}." if others else ""
    names = listed([browser.name.capitalize() for browser in evidence.browsers])
    were = "was" if len(evidence.browsers) == 1 else "were"
    least = f"it takes least both ways together: {digits(weighed[best])} {what} a delivery."
    because = f"Nothing was lost while {names} {were} offline, and {least}{rest}"
    return best, because, "; ".join(filter(None, (catch_of(evidence, best), _RADIO)))


def _weighed(among: Sequence[_Option]) -> tuple[str, dict[str, float]]:
    """Return which bytes are known, and how many each takes a delivery, down and up together."""
    words, down = bytes_known([option.result.costs for option in among])
    up = down.replace("down", "up")
    found = {o.transport: [getattr(o.result.costs, field) for field in (down, up)] for o in among}
    return words, {name: sum(cost.value for cost in costs) for name, costs in found.items() if all(costs)}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_CASES: tuple[tuple[str, str, str, Callable[[Evidence, Sequence[_Option]], _Answer]], ...] = (
    ("one-way", "Server to browser", "the cheapest that is not visibly slower than the fastest", _one_way),
    ("two-way", "Both ways, often", "the same, of those that send on the connection they receive on", _two_way),
    ("blocked", "A proxy blocks streams", "the fastest whose every message is a whole answer", _blocked),
    ("late", "A second's delay is fine", "the cheapest with a p99 within a second", _late),
    ("ease", "Least to build", "the fewest branches of server and stock client together", _ease),
    ("tabs", "Many tabs at once", "what browsers hold open to one server", _tabs),
    ("mobile", "Phones", "fewest bytes both ways, of those that lose nothing while offline", _mobile),
)
_SHORT = {
    "one-way": "server to browser",
    "two-way": "both ways",
    "blocked": "proxies that block streams",
    "late": "a second's delay",
    "ease": "least to build",
    "tabs": "many tabs",
    "mobile": "phones",
}
