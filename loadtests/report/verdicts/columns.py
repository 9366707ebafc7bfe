"""The guide's table with every column filled from data, and the columns that it leaves out: one row per property."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from loadtests.records.facts import Need
from loadtests.records.schema import Validity
from loadtests.report import model
from loadtests.report.claims import GUIDE_COLUMNS, GUIDE_LATENCY_MS
from loadtests.report.condition import Cost, Result
from loadtests.report.palette import LOOKS, rank
from loadtests.report.quantity import UNKNOWN, AtLeast, count, digits
from loadtests.report.verdicts.evidence import Browser, Evidence
from loadtests.report.verdicts.table_rules import (
    EXAMPLE_ONE_WAY_MS,
    api_of,
    branches,
    modelled_ms,
    percent,
    size,
    usable,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one property is for one transport: the guide's word (empty: it says nothing) and what was found."""

    guide: str
    found: str


@dataclass(frozen=True, slots=True)
class Property:
    """One row: its name, what it means in a few words, and an entry per transport, in the order of `transports`."""

    name: str
    meaning: str
    entries: tuple[Entry, ...]


Find = Callable[[Evidence, str], str]


def transports(evidence: Evidence) -> tuple[str, ...]:
    """Return the guide's transports and the lab's own that were measured, in the fixed order."""
    measured = {result.condition.transport for result in evidence.study.results} & set(LOOKS)
    return tuple(sorted(measured | set(GUIDE_LATENCY_MS), key=rank))


def properties(evidence: Evidence) -> tuple[Property, ...]:
    """Fill every row; a property that nothing is known of has dashes only."""
    return tuple(
        Property(
            name,
            meaning,
            tuple(Entry(_guide(name, t), find(evidence, t) or UNKNOWN) for t in transports(evidence)),
        )
        for name, meaning, find in _ROWS
    )


def _guide(name: str, transport: str) -> str:
    if name == "Latency" and transport in GUIDE_LATENCY_MS:
        return f"~{GUIDE_LATENCY_MS[transport]:g} ms"
    words = GUIDE_COLUMNS.get(transport, ("", ""))
    return {"Browser support": words[0], "Complexity": words[1]}.get(name, "")


def on_this_machine(evidence: Evidence, transport: str) -> Result | None:
    """The condition on this machine itself with the most deliveries a second."""
    near = [r for r in usable(evidence, transport) if model.link_one_way_ms(r.condition.link) == 0]
    return max(near, key=lambda r: r.condition.subscribers * r.condition.rate_per_s, default=None)


def _median(here: Result) -> str:
    return f"{digits(here.p50.value_ms)} ms" if here.p50 else ""


def _of_here(say: Callable[[Result], str], evidence: Evidence, transport: str) -> str:
    found = on_this_machine(evidence, transport)
    return say(found) if found else ""


def _far(evidence: Evidence, transport: str) -> str:
    far = [
        r
        for r in usable(evidence, transport)
        if model.link_one_way_ms(r.condition.link) and _LOSS not in r.condition.link
    ]
    said = [f"{digits(r.p50.value_ms)} ms ({r.condition.link})" for r in far if r.p50]
    if not far and (here := on_this_machine(evidence, transport)) and (by_model_ms := modelled_ms(here)):
        said = [f"{digits(by_model_ms)} ms (by the model, {2 * EXAMPLE_ONE_WAY_MS:g} ms there and back)"]
    return ", ".join(dict.fromkeys(said))


def _loss(evidence: Evidence, transport: str) -> str:
    """The run's own figures over lossy links, else those of the link run beside it."""
    own = [(r.p99.value_ms, r.condition.link) for r in usable(evidence, transport) if r.p99]
    beside = [
        (AtLeast(r.p99_ms) if r.p99_ms_at_least else r.p99_ms, r.link)
        for r in (evidence.links.results if evidence.links else ())
        if r.transport == transport and r.p99_ms is not None and r.validity in _BELIEVED
    ]
    lossy = [(p99_ms, link) for p99_ms, link in own if _LOSS in link] or [pair for pair in beside if _LOSS in pair[1]]
    return ", ".join(f"{digits(p99_ms)} ms ({link})" for p99_ms, link in lossy)


_LOSS = "loss="
_BELIEVED = (Validity.VALID, Validity.DOUBTFUL)


def _browsers(evidence: Evidence, transport: str) -> str:
    api = api_of(evidence.support, transport) if evidence.support else None
    if api is None:
        return ""
    most = api.share.full + api.share.partial + api.share.unknown
    least = percent(api.share.full)
    return f"{least} %" if percent(most) == least else f"{least} to {percent(most)} %"


def _effort(evidence: Evidence, transport: str) -> str:
    counted = evidence.complexity
    return size(counted, transport) if counted and branches(counted, transport) else ""


def _cost(cost: Cost | None, unit: str) -> str:
    return f"{digits(cost.value)}{unit}" if cost else ""


def _upstream(evidence: Evidence, transport: str) -> str:
    row = evidence.traits.row(transport) if evidence.traits else None
    if row is None:
        return _need(evidence, transport).upstream
    return "on the connection it receives on" if row.duplex else "a request on another connection"


def _need(evidence: Evidence, transport: str) -> Need:
    return (evidence.complexity.need(transport) if evidence.complexity else None) or _NO_NEED


_NO_NEED = Need("", "", "", "", "")


def _resume(evidence: Evidence, transport: str) -> str:
    said = []
    for browser in evidence.browsers:
        lost, back_ms = (browser.found.get(f"{transport}.{what}") for what in ("lost_in_outage", "resume_ms"))
        if isinstance(lost, int):
            back = f", back after {digits(back_ms)} ms" if isinstance(back_ms, int | float) else ""
            said.append(f"{lost} lost{back} ({browser.name.capitalize()})")
    return "; ".join(said)


def _proxy(evidence: Evidence, transport: str) -> str:
    row = evidence.traits.row(transport) if evidence.traits else None
    if row is None or not row.proxy:
        return ""
    return row.proxy if row.proxy == row.proxy_told else f"{row.proxy}; {row.proxy_told} once configured"


def _limit(evidence: Evidence, transport: str) -> str:
    said = [_streams(browser, prefix) for browser in evidence.browsers for prefix in _STREAMS.get(transport, ())]
    return "; ".join(dict.fromkeys(filter(None, said)))


def _streams(browser: Browser, prefix: str) -> str:
    found = {what: browser.found.get(f"{prefix}{what}") for what in ("held_at_once", "tried", "connections")}
    held, tried, connections = found.values()
    if not isinstance(held, int) or not isinstance(tried, int):
        return ""
    text = f"{held} of {tried} streams"
    if isinstance(connections, int):
        text += f" on {count(connections, 'connection')}"
    if browser.found.get(f"{prefix}fetch_beside_ms", 0) is None:
        text += ", and a request beside them waits"
    return f"{text} ({browser.name.capitalize()})"


_STREAMS = {"sse": ("h1_event_streams_",), "sse-h2": ("h2_event_streams_",)}
"""Transport -> how the browser findings begin that say how many of its streams one server may have."""

_ROWS: tuple[tuple[str, str, Find], ...] = (
    (
        "Latency",
        "half of all messages are faster, on this machine itself",
        partial(_of_here, _median),
    ),
    ("Latency, far away", "the same over a longer line", _far),
    ("Browser support", "share of usage whose browser has what it takes", _browsers),
    ("Complexity", "our server and client together", _effort),
    ("Bytes", "on the wire per message received", partial(_of_here, lambda r: _cost(r.costs.bytes_down, ""))),
    (
        "Processor time",
        "of the server per message delivered",
        partial(_of_here, lambda r: _cost(r.costs.server_cpu_us, " µs")),
    ),
    ("Memory", "of the server per idle connection", lambda evidence, t: _cost(evidence.study.memory.get(t), " KiB")),
    ("Sending", "how a client sends while it receives", _upstream),
    ("Reconnecting", "who does it", lambda evidence, t: _need(evidence, t).reconnect),
    ("After a cut", "what the page missed when its connection broke", _resume),
    ("Through a proxy", "nginx as it comes; and set up for it", _proxy),
    ("The proxy's settings", "what must be configured", lambda evidence, t: _need(evidence, t).proxy),
    ("A lost packet", "the slowest hundredth, when what is behind it must wait", _loss),
    ("Connections", "streams that a browser opens to one server", _limit),
)
