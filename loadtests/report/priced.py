"""What deliveries cost at a price file: processor and egress of a million of them. Pure.

A processor is planned to be `BUSY_SHARE` busy; the rest is for peaks, joins and restarts. A month has `HOURS`.
"""

from __future__ import annotations

from functools import cache

from loadtests.records import prices as files
from loadtests.records.prices import Prices
from loadtests.report.condition import DeliveryCosts, value_of

BUSY_SHARE = 0.6
HOURS = 730.0
MONTH_S = HOURS * 3600
GB = 1e9
HEADER_BYTES = 52
"""Of a packet of TCP over IPv4 with time stamps: 20 + 20 + 12."""


@cache
def default() -> Prices:
    """Return the prices that the report's table is made with."""
    return files.find(files.DEFAULT)


def wire_bytes(payload_bytes: float | None, packets: float | None, on_the_wire: float | None) -> float | None:
    """Return a delivery's bytes with headers; of runs that did not count them, by the packets, half of them down."""
    if on_the_wire is not None or payload_bytes is None:
        return on_the_wire
    return payload_bytes + HEADER_BYTES * (packets or 2.0) / 2


def marginal(cpu_us: float, sent_bytes: float, prices: Prices) -> float | None:
    """Return what a million deliveries more cost, without included traffic. None at a managed service."""
    if prices.machine is None:
        return None
    core_month = prices.machine.per_month * prices.machine.processor_share / prices.machine.vcpus
    return cpu_us / BUSY_SHARE / MONTH_S * core_month + sent_bytes * 1e6 / GB * prices.egress.per_gb


def per_million(costs: DeliveryCosts) -> float | None:
    """Return what a million deliveries of a condition cost at the default prices; None where a cost is not known."""
    sent = wire_bytes(value_of(costs.bytes_down), value_of(costs.packets), value_of(costs.ip_bytes_down))
    cpu_us = value_of(costs.server_cpu_us)
    return None if sent is None or cpu_us is None else marginal(cpu_us, sent, default())


def caption() -> str:
    """Say what the column holds, and at which prices."""
    paid = default()
    return (
        f"processor and egress of a million deliveries, in {paid.currency}, at the prices of a {paid.name} on "
        f"{paid.date} ({files.DEFAULT}){paid.caveat}"
    )
