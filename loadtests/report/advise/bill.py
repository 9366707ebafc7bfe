"""What a case costs a month, and a million of its deliveries, at a price file. Pure.

On machines: processors and memory by the share of a machine that is used (`priced.BUSY_SHARE` of a processor and
`sizing.MEMORY_SHARE` of the memory count as all of it), egress by the GB beyond what is included, and the rest of the
machines that are rented whole. On a managed service: its fees. Idle connections: what is paid while nothing is said,
heartbeats by the GB or a service's connection minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadtests.records.prices import Prices
from loadtests.report.advise.case import BOTH, Case
from loadtests.report.advise.figure import Figure, worst
from loadtests.report.advise.sizing import MEMORY_SHARE, Size
from loadtests.report.priced import BUSY_SHARE, GB, HEADER_BYTES, HOURS, MONTH_S
from loadtests.report.tls import RECORD_BYTES

_US = 1e6
HEARTBEAT_BYTES = HEADER_BYTES + 16
"""A ping, or an SSE comment, in a packet of its own."""

ANSWER_BYTES = HEADER_BYTES + 150
"""The 202 to a POST, in a packet of its own. An ack on the receiving connection is in what was measured of that."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A month, in the price file's currency, by what it is paid for."""

    currency: str
    cpu: float
    memory: float
    egress: float
    idle_connections: float
    messages: float  # a managed service's fees for messages, and its base
    unused: float  # of machines that are rented whole
    deliveries: float  # a month
    low: float  # total at the ends of the figures' intervals
    high: float
    how: str  # how the least known of its figures is known

    @property
    def total(self) -> float:
        """The whole month."""
        return self.cpu + self.memory + self.egress + self.idle_connections + self.messages + self.unused

    @property
    def per_million(self) -> float:
        """Of a million deliveries."""
        return self.total / self.deliveries * 1e6

    @property
    def egress_over_cpu(self) -> float:
        """How many times the processor's cost egress is; infinite where the processor costs nothing."""
        return self.egress / self.cpu if self.cpu else math.inf


def on_machines(case: Case, size: Size, wire: Figure, heartbeat_s: float, prices: Prices, *, two_way: bool) -> Bill:
    """Return the bill of machines of one's own."""
    machine = prices.machine
    assert machine is not None
    cpu = size.busy_us.value / _US / BUSY_SHARE * machine.per_month * machine.processor_share / machine.vcpus
    share = 1 - machine.processor_share
    memory = size.memory_gib / MEMORY_SHARE * machine.per_month * share / machine.memory_gib
    sent_gb = _sent_gb(case, wire.value, two_way)
    beat_bytes = HEARTBEAT_BYTES + (RECORD_BYTES if case.tls else 0)
    idle_gb = case.subscribers * MONTH_S / heartbeat_s * beat_bytes / GB
    price = _beyond(sent_gb + idle_gb, prices.egress.included_gb * size.machines) * prices.egress.per_gb
    egress = price * sent_gb / (sent_gb + idle_gb)
    rest = max(0.0, size.machines * machine.per_month - cpu - memory)
    ends = []
    for end, machines in ((wire.low, size.least_machines), (wire.high, size.most_machines)):
        gb = _sent_gb(case, wire.value if end is None else end, two_way) + idle_gb
        paid = _beyond(gb, prices.egress.included_gb * machines) * prices.egress.per_gb
        ends.append(machines * machine.per_month + paid)
    deliveries = case.deliveries_per_s * MONTH_S
    how = worst(size.busy_us, wire)
    return Bill(prices.currency, cpu, memory, egress, price - egress, 0.0, rest, deliveries, ends[0], ends[1], how)


def on_service(case: Case, wire: Figure, prices: Prices, *, two_way: bool) -> Bill:
    """Return the bill of a managed service; the bytes are those that were measured here."""
    service = prices.service
    assert service is not None
    deliveries = case.deliveries_per_s * MONTH_S
    publications = case.rooms * case.rate_per_s * MONTH_S
    each = math.ceil(case.payload_bytes / (service.message_kib * 1024))
    messages = service.per_month + (deliveries + publications) * each / 1e6 * service.per_million_messages
    minutes = case.subscribers * HOURS * 60 / 1e6 * service.per_million_connection_minutes
    low, egress, high = (
        _beyond(_sent_gb(case, wire.value if sent is None else sent, two_way), prices.egress.included_gb)
        * prices.egress.per_gb
        for sent in (wire.low, wire.value, wire.high)
    )
    ends = [messages + minutes + paid for paid in (low, high)]
    return Bill(prices.currency, 0, 0, egress, minutes, messages, 0, deliveries, ends[0], ends[1], wire.how)


def _sent_gb(case: Case, wire_bytes: float, two_way: bool) -> float:
    """Return what leaves in a month: deliveries, and where subscribers publish by POST, the answers to that."""
    answer_bytes = ANSWER_BYTES + (RECORD_BYTES if case.tls else 0)
    answered = case.rooms * case.rate_per_s * answer_bytes if case.direction == BOTH and not two_way else 0.0
    return (case.deliveries_per_s * wire_bytes + answered) * MONTH_S / GB


def _beyond(gb: float, included_gb: float) -> float:
    return max(0.0, gb - included_gb)
