"""Price files: those that come with the lab are whole; a bad one is refused in one sentence."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from loadtests.records import prices
from loadtests.records.errors import PriceError

GOOD = """\
name = "mine"
source = "https://example.com/prices"
date = 2026-06-17
currency = "EUR"
[machine]
vcpus = 2
memory_gib = 4
per_month = 3.79
[egress]
per_gb = 0.001
"""
READ = """
[[read]]
of = ["machine.vcpus", "machine.memory_gib", "machine.per_month", "machine.processor_share", "egress.per_gb"]
title = "Price list"
source = "https://example.com/prices/small"
date = 2026-06-17
said = "3.79 a month"
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_three_clouds_and_two_services_come_with_the_lab() -> None:
    found = {name: prices.find(name) for name in prices.FILES.named()}
    assert sum(each.machine is not None for each in found.values()) == 3
    assert sum(each.service is not None for each in found.values()) == 2
    assert prices.DEFAULT in found


def test_each_figure_of_the_labs_files_has_a_source_or_is_unverified() -> None:
    found = {name: prices.find(name) for name in prices.FILES.named()}
    assert all(each.read and each.date == min(reading.date for reading in each.read) for each in found.values())
    assert {name: each.unverified for name, each in found.items() if each.unverified} == {
        "eu-small": ("machine.processor_share",)
    }


def test_a_figure_that_no_source_names_is_unverified_where_others_have_one(tmp_path: Path) -> None:
    assert prices.find(written(tmp_path, GOOD)).caveat == ""  # its own `source` holds for all
    assert prices.find(written(tmp_path, GOOD + READ)).caveat == "; unverified: egress.included_gb"
    fewer = READ.replace('"machine.per_month", ', "")
    assert prices.find(written(tmp_path, GOOD + fewer)).unverified == ("machine.per_month", "egress.included_gb")


def test_a_file_of_ones_own_is_taken_by_path(tmp_path: Path) -> None:
    found = prices.find(written(tmp_path, GOOD))
    assert found.machine is not None
    assert (found.name, found.machine.per_month, found.date) == ("mine", 3.79, date(2026, 6, 17))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vcpus = 2", "vcpus = 2\ncores = 3", "cores"),
        ("per_month = 3.79", "per_month = -1", "machine.per_month is -1.0; allowed: 0 or above"),
        ("per_month = 3.79", "per_month = nan", "machine.per_month is nan; allowed: 0 or above"),
        ("per_month = 3.79", "", "missing required field `per_month`"),
        ("date = 2026-06-17", "", "missing required field `date`"),
        ("date = 2026-06-17", "date = 'last year'", "date"),
        ("vcpus = 2", "vcpus = 0", "machine.vcpus is 0; allowed: 1 or more"),
        ("vcpus = 2", "vcpus = 'two'", "vcpus"),
        ("memory_gib = 4", "memory_gib = 0", "machine.memory_gib is 0.0; allowed: above 0"),
        ("vcpus = 2", "vcpus = 2\nprocessor_share = 2", "machine.processor_share is 2.0; allowed: 0 to 1"),
        ('currency = "EUR"', 'currency = "euro"', "currency is euro; allowed: three letters"),
        ("https://example.com/prices", "a friend", "source is a friend; allowed: an address"),
        ("per_gb = 0.001", "per_gb = -0.1", "egress.per_gb is -0.1; allowed: 0 or above"),
        ("[machine]\nvcpus = 2\nmemory_gib = 4\nper_month = 3.79", "", "is neither; allowed: one of the two"),
        ("[egress]", "[egress", "is not TOML"),
        ("egress.per_gb", "egress.gb", "read.of is egress.gb; allowed: machine.vcpus, machine.memory_gib"),
        ("https://example.com/prices/small", "a friend", "source is a friend; allowed: an address"),
        ('said = "3.79 a month"', "", "missing required field `said`"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD + READ
    path = written(tmp_path, (GOOD + READ).replace(old, new))
    with pytest.raises(PriceError) as refused:
        prices.find(path)
    assert said in str(refused.value)
    assert path in str(refused.value)


def test_an_unknown_key_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match=r"allowed: name, source, date, currency, \[machine\] with vcpus"):
        prices.find(written(tmp_path, GOOD + "free_tier = 1\n"))


def test_a_name_that_is_not_there_is_told_which_are() -> None:
    with pytest.raises(PriceError, match="eu-small, service-connections"):
        prices.find("moon")


def test_prices_older_than_a_year_are_said_to_be(tmp_path: Path) -> None:
    found = prices.find(written(tmp_path, GOOD))
    assert prices.stale(found, found.date + timedelta(days=365)) == ""
    assert "366 days old, more than a year" in prices.stale(found, found.date + timedelta(days=366))
