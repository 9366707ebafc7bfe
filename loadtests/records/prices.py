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

A GB has 10^9 bytes, a GiB 2^30, a month 730 hours.
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
    "with per_month, per_million_messages, message_kib, per_million_connection_minutes, and [egress] with per_gb, "
    "included_gb"
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


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price file."""

    name: str
    source: str
    date: date
    currency: str
    egress: Egress
    machine: Machine | None = None
    service: Service | None = None


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
    _need(re.match(r"https?://\S+\Z", prices.source) is not None, "source", prices.source, "an address, https://…")
    _need(re.fullmatch("[A-Z]{3}", prices.currency) is not None, "currency", prices.currency, "three letters, as EUR")
    sold = [part for part in (prices.machine, prices.service) if part is not None]
    _need(len(sold) == 1, "[machine] and [service]", "neither" if not sold else "both", "one of the two")
    for part, section in ((prices.machine, "machine"), (prices.service, "service"), (prices.egress, "egress")):
        for field, value in ({} if part is None else msgspec.structs.asdict(part)).items():
            _need(math.isfinite(value) and value >= 0, f"{section}.{field}", value, "0 or above")
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
