"""What is known of browsers (`facts.json`), connections (`traits.json`) and our code (`complexity.json`).

Values only: `loadtests.evidence` makes them, in `support`, `traits` and `complexity`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from loadtests.records import json_file
from loadtests.records.errors import SupportError

SCHEMA = 1
FACTS = Path(__file__).with_name("facts.json")
STALE_AFTER_DAYS = 365


class Source(msgspec.Struct, frozen=True):
    """A published package the facts are made from."""

    package: str  # on npm
    version: str
    date: str  # YYYY-MM-DD, said by the package's own data
    licence: str  # SPDX


class Share(msgspec.Struct, frozen=True):
    """Percent of the attributed usage, by what is published of each browser version. The parts sum to 100."""

    full: float
    partial: float
    none: float
    unknown: float  # no published statement covers these versions


class Removal(msgspec.Struct, frozen=True):
    """An engine version that took a feature away, and where its maker said so."""

    engine: str
    version: int  # the first without it
    announced: str  # YYYY-MM-DD
    source: str  # address


class Api(msgspec.Struct, frozen=True):
    """One thing that a transport needs of a browser."""

    name: str
    title: str
    mdn: str  # path in MDN's data; empty: MDN has no entry
    caniuse: str  # its feature at caniuse
    since: dict[str, str]  # first version by MDN's browser name; "" where never
    share: Share
    caniuse_share: Share  # by caniuse's statements alone: a second opinion
    removals: tuple[Removal, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """`facts.json`."""

    schema: int
    sources: tuple[Source, ...]
    attributed_percent: float  # of the world's page views: what caniuse can attribute to a browser version
    apis: tuple[Api, ...]

    def api(self, name: str) -> Api | None:
        """Return one API by its name."""
        return next((api for api in self.apis if api.name == name), None)

    @property
    def oldest(self) -> date:
        """The date of the older source."""
        return min(date.fromisoformat(source.date) for source in self.sources)


def load(path: Path = FACTS) -> Facts:
    """Read a facts file. Raises SupportError."""
    found = json_file.read(path, Facts, "support facts", SupportError)
    json_file.need(path, found.schema, SCHEMA, SupportError)
    return found


def encode(facts: Facts) -> bytes:
    """Return the file's bytes: the same facts, the same bytes."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


def stale(facts: Facts, today: date) -> str:
    """Say that the facts are over a year old on `today`; empty if they are not."""
    age_days = (today - facts.oldest).days
    if age_days <= STALE_AFTER_DAYS:
        return ""
    return (
        f"The browser facts are of {facts.oldest}, {age_days} days old (a year is {STALE_AFTER_DAYS}): "
        "python -m loadtests.evidence.support --newest makes them anew."
    )


class Trait(msgspec.Struct, frozen=True):
    """What one connection of a transport can do, as `python -m loadtests.evidence.traits` found it."""

    transport: str
    duplex: bool  # a message sent on the connection that carries events came back on it, and it stayed open
    proxy: str  # through nginx's defaults: "passes", "held back", "refused"; "": not tried
    proxy_told: str  # the same with the settings that nginx's manual names for streams


class Traits(msgspec.Struct, frozen=True):
    """`traits.json`."""

    schema: int
    commit: str
    nginx: str  # version; "": there was none
    rows: tuple[Trait, ...]

    def row(self, transport: str) -> Trait | None:
        """Return one transport's row."""
        return next((row for row in self.rows if row.transport == transport), None)


class Part(msgspec.Struct, frozen=True):
    """One source file, or class, of a transport, counted; `transport` is empty for what all of them share."""

    transport: str
    part: str  # "server", "client", "direct sink", "stock client", "page client"
    file: str
    lines: int
    branches: int
    states: int


class Need(msgspec.Struct, frozen=True):
    """What a transport needs around it, in words: who reconnects, how a client resumes and publishes, the proxy."""

    transport: str
    reconnect: str
    resume: str
    upstream: str
    proxy: str
    source: str = ""  # of what is no fact of our code


class Complexity(msgspec.Struct, frozen=True):
    """`complexity.json`."""

    commit: str
    rows: tuple[Part, ...]
    others: tuple[Part, ...] = ()  # what several share, and clients on stock libraries
    needs: tuple[Need, ...] = ()

    def need(self, transport: str) -> Need | None:
        """Return what one transport needs around it."""
        return next((need for need in self.needs if need.transport == transport), None)
