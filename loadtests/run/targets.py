"""The systems the lab can measure: the transports of the catalogue, and servers that are not ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.catalogue import Record, records
from loadtests.records.adapter import LONGPOLL
from loadtests.records.cell_spec import FOREIGN_USER
from loadtests.records.errors import UsageError
from loadtests.run.foreign import Foreign


@dataclass(frozen=True, slots=True)
class Target:
    """One transport as the lab knows it: how to start it and who speaks it."""

    name: str  # registry name of the server, unless `server` says another
    user_class: str  # class in loadtests.locustfile
    pushes: bool  # one delivery per message; polls answer with batches by design
    on_a_grid: bool = False  # asks every `poll_interval_s`: the last message is received up to that much later
    server: str = ""  # registry name of the server, where it is another
    arguments: tuple[str, ...] = ()  # of the server, beside the common ones
    tls: bool = False
    foreign: Foreign | None = None  # a server that is not ours, and is running already

    @property
    def server_name(self) -> str:
        """The registry name of the server."""
        return self.server or self.name


def _of_record(record: Record) -> Target:
    return Target(
        record.name,
        record.load.user_name,
        pushes=record.pushes,
        on_a_grid=record.model == "short poll",
        server=record.server.variant_of,
        arguments=("--http2",) if record.server.variant_of else (),
        tls=record.tls,
    )


TARGETS: tuple[Target, ...] = tuple(map(_of_record, records().values()))

CLAIMS_MS: dict[str, float] = {name: of.guide.latency_ms for name, of in records().items() if of.guide is not None}
"""The guide's whole column."""

DEFAULT = "default"
"""A name for those that `rtlab compare` measures unless others are asked for."""


def target(name: str) -> Target:
    """Return the target called `name`; UsageError names those there are."""
    for candidate in TARGETS:
        if candidate.name == name:
            return candidate
    raise UsageError(f"unknown transport {name!r}; there are: {', '.join(t.name for t in TARGETS)}")


def select(names: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets in the order asked for, each once; UsageError for unknown names or none at all.

    DEFAULT among the names stands for the transports of the default comparison.
    """
    compared = [name for name, record in records().items() if record.compared]
    asked = [name.strip() for name in names if name.strip()]
    wanted = [name for each in asked for name in (compared if each == DEFAULT else [each])]
    chosen = tuple(dict.fromkeys(map(target, wanted)))
    if not chosen:
        raise UsageError(f"no transport chosen; there are: {', '.join(t.name for t in TARGETS)}")
    return chosen


def require_own_names(adapters: Sequence[str]) -> None:
    """Raise UsageError unless each adapter has a name of its own: cells and rows are known by it."""
    for name in adapters:
        if name in names():
            raise UsageError(f"the adapter {name} is named like a transport of the lab: give it another name")
        if adapters.count(name) > 1:
            raise UsageError(f"{adapters.count(name)} adapters are named {name}: give each a name of its own")


def of_foreign(foreign: Foreign) -> Target:
    """Return a foreign server as a target, named like its adapter."""
    pushes = foreign.adapter.protocol != LONGPOLL
    return Target(foreign.adapter.name, FOREIGN_USER, pushes=pushes, foreign=foreign)


def names() -> tuple[str, ...]:
    """Return the names of all targets."""
    return tuple(candidate.name for candidate in TARGETS)
