"""The ten cases of docs/advise.md: data, read from `cases.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from loadtests.records import prices
from loadtests.report.advise import case as cases
from loadtests.report.advise import words
from loadtests.report.advise.case import Case


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case with the transport that is expected to be first, and why."""

    name: str
    about: str
    words: str
    expected: str
    why: str
    within: str = ""
    check: str = ""  # the transport that is measured at this very load; empty: none is

    @property
    def asked(self) -> tuple[Case, str]:
        """The case, and the name of its price file."""
        given = words.read(self.words.split(), {"within": self.within} if self.within else {})
        price = str(given.pop("price", prices.DEFAULT))
        return cases.of_words(given), price


class _Examples(msgspec.Struct, frozen=True):
    cases: tuple[Example, ...]


@cache
def load() -> tuple[Example, ...]:
    """Read the cases that come with the lab."""
    text = Path(__file__).with_name("cases.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Examples).cases
