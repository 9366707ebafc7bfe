"""The column of cost: processor and egress at the named prices; what is not known is no cost of nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.records import prices
from loadtests.report import priced
from loadtests.report.condition import Cost, DeliveryCosts

KNOWN = DeliveryCosts(
    server_cpu_us=Cost(10.0, 9.0, 11.0, 2), generator_cpu_us=None, bytes_down=Cost(256.0, 256.0, 256.0, 2),
    bytes_up=None, packets=Cost(2.0, 2.0, 2.0, 2), ip_bytes_down=Cost(308.0, 308.0, 308.0, 2), ip_bytes_up=None,
    acks=None, connect_ms_p50=None,
)  # fmt: skip


def test_a_million_is_its_processor_and_its_bytes() -> None:
    assert priced.per_million(KNOWN) == pytest.approx(0.0277 + 10 / 0.6 / (730 * 3600) * 238.27 * 0.7 / 8, rel=1e-3)
    dearer = replace(KNOWN, server_cpu_us=Cost(1e6, 1e6, 1e6, 1))
    assert (priced.per_million(dearer) or 0) > 10 * (priced.per_million(KNOWN) or 0)


def test_bytes_on_the_wire_are_counted_else_told_by_packets() -> None:
    uncounted = replace(KNOWN, ip_bytes_down=None)
    assert priced.per_million(uncounted) == pytest.approx(priced.per_million(KNOWN))


def test_what_is_not_known_has_no_cost() -> None:
    assert priced.per_million(replace(KNOWN, server_cpu_us=None)) is None
    assert priced.per_million(replace(KNOWN, ip_bytes_down=None, bytes_down=None)) is None


def test_the_caption_names_file_and_date() -> None:
    paid = prices.find(prices.DEFAULT)
    assert all(words in priced.caption() for words in (prices.DEFAULT, str(paid.date), paid.name, paid.currency))
