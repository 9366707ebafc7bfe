"""A price file says what machines, egress or a managed service cost. Values and reading only. The file's shape:

    name = "my provider"
    source = "https://example.com/prices"   # where the prices can be looked up
    date = 2026-06-17                       # when they were looked up
    currency = "EUR"

    [machine]                               # or [service], see `Service`
    vcpus = 2
    memory_gib = 4
    per_month = 3.79

    [egress]
    per_gb = 0.001
    included_gb = 20000                     # a month, of each machine

    [[read]]                                # may be left out: `source` and `date` then hold for every figure
    of = ["machine.per_month"]
    title = "Price list, small machines"
    source = "https://example.com/prices/small"
    date = 2026-06-17
    said = "0.00519 an hour"
    derived = "0.00519 × 730 h"             # may be left out, where the figure is what the page says

A figure that no `[[read]]` names, in a file that has some, is unverified. A GB has 10^9 bytes, a GiB 2^30, a month 730
hours.
"""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path

import msgspec

from loadtests.records.errors import PriceError
from loadtests.records.toml_file import TomlFiles

DEFAULT = "us-large"
STALE_AFTER_DAYS = 365
_SHAPE = (
    "allowed: name, source, date, currency, [machine] with vcpus, memory_gib, per_month, processor_share, or [service] "
    "with per_month, per_million_messages, message_kib, per_million_connection_minutes, [egress] with per_gb, "
    "included_gb, and [[read]] with of, title, source, date, said, derived"
)


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine as it is rented."""

    vcpus: int
    memory_gib: float
    per_month: float
    processor_share: float = 0.7  # of its price, that is for its processors; the rest is for its memory


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A managed service, which needs no machine of ours. Publications and deliveries are messages alike."""

    per_month: float
    per_million_messages: float
    message_kib: float  # a longer message counts as several
    per_million_connection_minutes: float


class Egress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves the provider's network."""

    per_gb: float
    included_gb: float = 0.0  # a month, of each machine


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where some figures of a file were read, and how they follow from what stands there."""

    of: tuple[str, ...]  # such as "machine.per_month"
    title: str
    source: str
    date: date
    said: str
    derived: str = ""


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price file."""

    name: str
    source: str
    date: date
    currency: str
    egress: Egress
    machine: Machine | None = None
    service: Service | None = None
    read: tuple[Reading, ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        """What is paid for or with, by name: `machine.per_month` and so on."""
        parts = (("machine", self.machine), ("service", self.service), ("egress", self.egress))
        return {
            f"{section}.{field}": value
            for section, part in parts
            if part is not None
            for field, value in msgspec.structs.asdict(part).items()
        }

    @property
    def unverified(self) -> tuple[str, ...]:
        """The figures that nobody looked up; none where the file's own `source` holds for all."""
        read = {figure for reading in self.read for figure in reading.of}
        return tuple(figure for figure in self.figures if figure not in read) if self.read else ()

    @property
    def caveat(self) -> str:
        """`; unverified: ` and those figures, to end a sentence with; empty without any."""
        return f"; unverified: {', '.join(self.unverified)}" if self.unverified else ""


def find(name_or_path: str) -> Prices:
    """Return the prices that come with the lab under this name, or those of this TOML file. Raises PriceError."""
    return FILES.find(name_or_path)


def stale(prices: Prices, today: date) -> str:
    """Say that the prices are over a year old on `today`; empty if they are not."""
    age_days = (today - prices.date).days
    if age_days <= STALE_AFTER_DAYS:
        return ""
    return f"The prices are of {prices.date}, {age_days} days old, more than a year: look them up at {prices.source}."


def check(prices: Prices) -> Prices:
    """Return the prices; PriceError unless every value is one that can be paid."""
    _need(bool(prices.name.strip()), "name", prices.name, "some text")
    for source in (prices.source, *(reading.source for reading in prices.read)):
        _need(re.match(r"https?://\S+\Z", source) is not None, "source", source, "an address, https://…")
    _need(re.fullmatch("[A-Z]{3}", prices.currency) is not None, "currency", prices.currency, "three letters, as EUR")
    sold = [part for part in (prices.machine, prices.service) if part is not None]
    _need(len(sold) == 1, "[machine] and [service]", "neither" if not sold else "both", "one of the two")
    for figure, value in prices.figures.items():
        _need(math.isfinite(value) and value >= 0, figure, value, "0 or above")
    for figure in (figure for reading in prices.read for figure in reading.of):
        _need(figure in prices.figures, "read.of", figure, ", ".join(prices.figures))
    if prices.machine is not None:
        _need(prices.machine.vcpus >= 1, "machine.vcpus", prices.machine.vcpus, "1 or more")
        _need(prices.machine.memory_gib > 0, "machine.memory_gib", prices.machine.memory_gib, "above 0")
        share = prices.machine.processor_share
        _need(share <= 1, "machine.processor_share", share, "0 to 1")
    if prices.service is not None:
        _need(prices.service.message_kib > 0, "service.message_kib", prices.service.message_kib, "above 0")
    return prices


def _need(condition: bool, field: str, value: object, allowed: str) -> None:
    if not condition:
        raise PriceError(f"{field} is {value}; allowed: {allowed}")


FILES = TomlFiles(Path(__file__).with_name("prices"), Prices, "price file", PriceError, check, shape=_SHAPE)
