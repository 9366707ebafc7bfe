"""What a transport needs around its own code. What the code says is read from it; the rest has its source beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtests.complexity.counts import UnreadableSourceError
from loadtests.complexity.modules import source_path


@dataclass(frozen=True, slots=True)
class Need:
    """In words, for a table: who reconnects, how a client resumes, how it publishes, what a proxy must be told."""

    transport: str
    reconnect: str
    resume: str
    upstream: str
    proxy: str
    source: str  # of what is no fact of our code


# Who reconnects, and what a proxy needs, with `{heartbeat}` and `{wait}` in seconds; then where that is written.
_AROUND: Final = {
    "websocket": (
        "to be written: the protocol has none",
        "the Upgrade header passed on, silence of {heartbeat} s allowed",
        "RFC 6455, sections 1.3 and 7.2.3",
    ),
    "sse": (
        "the browser's EventSource",
        "no buffering, silence of {heartbeat} s allowed",
        "WHATWG HTML, section 9.2.3",
    ),
    "longpoll": ("each poll is a new request", "an answer after {wait} s allowed", "RFC 6202, sections 2 and 5.5"),
    "shortpoll": ("each poll is a new request", "nothing", "RFC 6202, section 2"),
    "h2push": (
        "to be written: no browser takes pushes any more",
        "none in between: pushes end at the first hop",
        "RFC 9113, sections 8.4 and 8.4.2",
    ),
    "sse-h2": (
        "the browser's EventSource",
        "HTTP/2 to the browser, no buffering, silence of {heartbeat} s allowed",
        "WHATWG HTML, section 9.2.3",
    ),
    "socketio": (
        "the library's client",
        "as WebSocket; its long polling also needs each client kept to one server",
        "https://socket.io/docs/v4/using-multiple-nodes/",
    ),
}


def need(transport: str, server: str, base: Path) -> Need:
    """Describe a transport whose server module is `server`, below the folder `base`.

    Raises UnreadableSourceError where the code no longer says what is looked for.
    """
    reconnect, proxy, source = _AROUND[transport]
    info = _info(server, base)
    seconds = {
        "heartbeat": _constant("core.settings", "heartbeat_s", base),
        "wait": _constant("transports.longpoll", "DEFAULT_WAIT_S", base),
    }
    upstream = "the same connection" if info["duplex"] else "a POST beside it"
    told = proxy.format(**{name: f"{value:g}" for name, value in seconds.items()})
    return Need(transport, reconnect, info["resumes_by"], upstream, told, source)


def _info(module: str, base: Path) -> dict[str, Any]:
    for node in _nodes(module, base):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TransportInfo":
            return {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg is not None}
    raise UnreadableSourceError(f"{module} makes no TransportInfo")


def _constant(module: str, name: str, base: Path) -> float:
    for node in _nodes(module, base):
        match node:
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return float(ast.literal_eval(value))
    raise UnreadableSourceError(f"{module} sets no {name}")


def _nodes(module: str, base: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(source_path(module, base).read_text(encoding="utf-8")))
