"""What a transport needs around its own code: its record says it, and the code for how many seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.catalogue import Record
from loadtests.evidence.complexity.counts import UnreadableSourceError
from loadtests.evidence.complexity.modules import source_path


@dataclass(frozen=True, slots=True)
class Need:
    """In words, for a table: who reconnects, how a client resumes, how it publishes, what a proxy must be told."""

    transport: str
    reconnect: str
    resume: str
    upstream: str
    proxy: str
    source: str  # of what is no fact of our code


def need(record: Record, base: Path) -> Need:
    """Describe a transport. The seconds that a proxy must allow are read from the code below the folder `base`.

    Raises UnreadableSourceError where the code no longer says what is looked for.
    """
    seconds = {
        "heartbeat": _constant("core.settings", "heartbeat_s", base),
        "wait": _constant("transports.longpoll", "DEFAULT_WAIT_S", base),
    }
    upstream = "the same connection" if record.duplex else "a POST beside it"
    proxy = record.needs.proxy.format(**{name: f"{value:g}" for name, value in seconds.items()})
    return Need(record.name, record.needs.reconnect, record.resumes_by, upstream, proxy, record.needs.source)


def _constant(module: str, name: str, base: Path) -> float:
    for node in _nodes(module, base):
        match node:
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return float(ast.literal_eval(value))
    raise UnreadableSourceError(f"{module} sets no {name}")


def _nodes(module: str, base: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(source_path(module, base).read_text(encoding="utf-8")))
