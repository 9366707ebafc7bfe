"""The guide's table with every column filled from data, and the columns that it leaves out: one row per property."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.analysis import model
from loadtests.analysis.claims import GUIDE_COLUMNS, GUIDE_LATENCY_MS
from loadtests.analysis.condition import Result
from loadtests.analysis.cost import Cost
from loadtests.analysis.palette import LOOKS, rank
from loadtests.analysis.quantity import UNKNOWN, digits
from loadtests.analysis.verdicts.browsers import APIS, percent
from loadtests.analysis.verdicts.delay import EXAMPLE_ONE_WAY_MS, modelled_ms, usable
from loadtests.analysis.verdicts.effort import branches, size
from loadtests.analysis.verdicts.evidence import Evidence

_LANES = {"websocket": "websocket", "sse": "sse", "longpoll": "longpoll", "shortpoll": "shortpoll"}
"""Transport -> the lane of the browser page that speaks it."""


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


def _here(evidence: Evidence, transport: str) -> Result | None:
    """The condition on this machine itself with the most deliveries a second."""
    near = [r for r in usable(evidence, transport) if model.link_one_way_ms(r.condition.link) == 0]
    return max(near, key=lambda r: r.condition.subscribers * r.condition.rate_per_s, default=None)


def _latency(evidence: Evidence, transport: str) -> str:
    found = _here(evidence, transport)
    return f"{digits(found.p50.value_ms)} ms" if found and found.p50 else ""


def _far(evidence: Evidence, transport: str) -> str:
    far = [r for r in usable(evidence, transport) if model.link_one_way_ms(r.condition.link) and not _lossy(r)]
    said = [f"{digits(r.p50.value_ms)} ms ({r.condition.link})" for r in far if r.p50]
    if not far and (here := _here(evidence, transport)) and (by_model_ms := modelled_ms(here)):
        said = [f"{digits(by_model_ms)} ms (by the model, {2 * EXAMPLE_ONE_WAY_MS:g} ms there and back)"]
    return ", ".join(dict.fromkeys(said))


def _loss(evidence: Evidence, transport: str) -> str:
    lossy = [r for r in usable(evidence, transport) if _lossy(r)]
    return ", ".join(f"{digits(r.p99.value_ms)} ms ({r.condition.link})" for r in lossy if r.p99)


def _lossy(result: Result) -> bool:
    return "loss=" in result.condition.link


def _browsers(evidence: Evidence, transport: str) -> str:
    api = evidence.support.api(APIS[transport]) if evidence.support else None
    if api is None:
        return ""
    most = api.share.full + api.share.partial + api.share.unknown
    least = percent(api.share.full)
    return f"{least} %" if percent(most) == least else f"{least} to {percent(most)} %"


def _effort(evidence: Evidence, transport: str) -> str:
    counted = evidence.complexity
    return size(counted, transport) if counted and branches(counted, transport) else ""


def _bytes(evidence: Evidence, transport: str) -> str:
    found = _here(evidence, transport)
    return _cost(found.costs.bytes_down if found else None, "")


def _cpu(evidence: Evidence, transport: str) -> str:
    found = _here(evidence, transport)
    return _cost(found.costs.server_cpu_us if found else None, " µs")


def _memory(evidence: Evidence, transport: str) -> str:
    return _cost(evidence.study.memory.get(transport), " KiB")


def _cost(cost: Cost | None, unit: str) -> str:
    return f"{digits(cost.value)}{unit}" if cost else ""


def _upstream(evidence: Evidence, transport: str) -> str:
    row = evidence.traits.row(transport) if evidence.traits else None
    return "" if row is None else "on the same connection" if row.duplex else "a request of its own"


def _resume(evidence: Evidence, transport: str) -> str:
    lane = _LANES.get(transport, "")
    said = []
    for browser in evidence.browsers:
        lost, back_ms = (browser.found.get(f"{lane}.{what}") for what in ("lost_in_outage", "resume_ms"))
        if isinstance(lost, int):
            back = f", back after {digits(back_ms)} ms" if isinstance(back_ms, int | float) else ""
            said.append(f"{lost} lost{back} ({browser.name.capitalize()})")
    return "; ".join(said)


def _proxy(evidence: Evidence, transport: str) -> str:
    row = evidence.traits.row(transport) if evidence.traits else None
    if row is None or not row.proxy:
        return ""
    return row.proxy if row.proxy == row.proxy_told else f"{row.proxy}; {row.proxy_told} once told how"


def _limit(evidence: Evidence, transport: str) -> str:
    said = []
    for browser in evidence.browsers:
        held, tried = (browser.found.get(f"{_STREAMS.get(transport, '')}{what}") for what in ("held_at_once", "tried"))
        if isinstance(held, int) and isinstance(tried, int):
            said.append(f"{held} of {tried} ({browser.name.capitalize()})")
    return "; ".join(said)


_STREAMS = {"sse": "event_streams_", "sse-h2": "h2_event_streams_"}
"""Transport -> the beginning of the browser findings that say how many of its streams one server may have."""

_ROWS: tuple[tuple[str, str, Find], ...] = (
    ("Latency", "half of all messages are faster, on this machine itself", _latency),
    ("Latency, far away", "the same over a longer line", _far),
    ("Browser support", "share of usage whose browser has what it takes", _browsers),
    ("Complexity", "our server and client together", _effort),
    ("Bytes", "on the wire per message received", _bytes),
    ("Processor time", "of the server per message delivered", _cpu),
    ("Memory", "of the server per idle connection", _memory),
    ("Sending", "how a client sends while it receives", _upstream),
    ("After a cut", "what the page missed when its connection broke", _resume),
    ("Through a proxy", "nginx as it comes; and set up for it", _proxy),
    ("A lost packet", "the slowest hundredth, when what is behind it must wait", _loss),
    ("Connections", "streams that a browser opens to one server", _limit),
)
