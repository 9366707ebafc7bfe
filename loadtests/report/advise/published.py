"""What others published and this lab does not measure: `published.toml`, each entry with its source and date."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from loadtests.report.advise.figure import PUBLISHED, Figure


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published figure."""

    seconds: float
    words: str
    source: str
    date: str

    @property
    def figure(self) -> Figure:
        """As a figure in seconds."""
        return Figure(self.seconds, None, None, PUBLISHED, f"{self.source}, {self.date}")


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `idle`: silence that a box allows, by the box's name."""

    radio_tail: Entry
    idle: dict[str, Entry]


@cache
def load() -> Published:
    """Read the file that comes with the lab."""
    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Published)
