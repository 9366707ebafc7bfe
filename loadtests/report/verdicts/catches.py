"""What a transport asks for around it, from what was tried: browsers, proxies, stream limits, who reconnects."""

from __future__ import annotations

from dataclasses import dataclass

from core.catalogue import records
from loadtests.records.facts import Facts
from loadtests.report.quantity import count
from loadtests.report.verdicts.evidence import NO_BROWSER_PERCENT, SUPPORT_PERCENT, Evidence
from loadtests.report.verdicts.table_rules import api_of

NO_BROWSER = "no current browser"
_TO_WRITE = "to be written"


@dataclass(frozen=True, slots=True)
class Streams:
    """How many event streams to one server the strictest browser held at once, of how many that were tried."""

    held: int
    tried: int


def browserless(facts: Facts | None, transport: str) -> bool:
    """Whether hardly any browser in use has what the transport needs, by what is published."""
    api = api_of(facts, transport) if facts else None
    return api is not None and api.share.full < NO_BROWSER_PERCENT


def in_browsers(evidence: Evidence, transport: str) -> bool:
    """Whether nearly all browsers in use have what the transport needs."""
    api = api_of(evidence.support, transport) if evidence.support else None
    return api is not None and api.share.full >= SUPPORT_PERCENT["excellent"][0]


def duplex(evidence: Evidence, transport: str) -> bool:
    """Whether a browser's client sends on the connection that it receives on: by its record, unless a try failed."""
    record = records().get(transport)
    row = evidence.traits.row(transport) if evidence.traits else None
    return record is not None and record.duplex and (row is None or row.duplex)


def proxied(evidence: Evidence, transport: str) -> bool:
    """Whether it passed through nginx as it comes; a poll that was not tried is an ordinary answer, and does."""
    row = evidence.traits.row(transport) if evidence.traits else None
    return row is None or not row.proxy or row.proxy == "passes"


def held_streams(evidence: Evidence, protocol: str) -> Streams | None:
    """Return what the strictest browser held over `h1` or `h2`; None where none was asked."""
    found = [
        Streams(held, tried)
        for browser in evidence.browsers
        if isinstance(held := browser.found.get(f"{protocol}_event_streams_held_at_once"), int)
        and isinstance(tried := browser.found.get(f"{protocol}_event_streams_tried"), int)
    ]
    return min(found, key=lambda streams: streams.held, default=None)


def catch_of(evidence: Evidence, transport: str) -> str:
    """Say what speaks against a transport, in one clause each; empty where nothing was found."""
    traits, counted = evidence.traits, evidence.complexity
    row = traits.row(transport) if traits else None
    need = counted.need(transport) if counted else None
    streams = held_streams(evidence, "h1") if transport == "sse" else None
    parts = (
        "" if duplex(evidence, transport) else "clients send by a request beside it",
        f"nginx as it comes: {row.proxy}, once configured: {row.proxy_told}"
        if row and row.proxy not in ("", "passes")
        else "",
        "reconnecting is yours to write" if need and need.reconnect.startswith(_TO_WRITE) else "",
        f"over HTTP/1.1 a browser holds {count(streams.held, 'stream')} to one server, all tabs together"
        if streams and streams.held < streams.tried
        else "",
    )
    return "; ".join(filter(None, parts))


def to_write(evidence: Evidence, transport: str) -> str:
    """Say what a page's author writes for a transport: by the size of our client, and by who reconnects."""
    counted = evidence.complexity
    need = counted.need(transport) if counted else None
    parts = counted.others if counted else ()
    lines = sum(part.lines for part in parts if part.part == "page client" and part.transport == transport)
    client = f"about {lines} lines" if lines else ""
    if need is None:
        return client
    if need.reconnect.startswith(_TO_WRITE):
        return ", ".join(filter(None, (client, "reconnecting too")))
    return client or f"little: {need.reconnect}"
