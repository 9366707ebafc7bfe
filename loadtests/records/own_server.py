"""How the server behind an adapter is started, and which processes are it. Values only. In an adapter's file:

    target = "http://127.0.0.1:9000"        # where it listens; left out with {port} in the command
    version = ["node", "--version"]         # a command that says its version, or the version itself
    pids = "tree"                           # or "file:/run/mine.pid", or [4711, 4712]

    [server]                                # left out: it runs already
    command = ["node", "server.js", "--port", "{port}"]
    cwd = "."                               # relative to the file
    env = { NODE_ENV = "production" }
    ready = "GET /health"                   # ready once that is answered below 500; left out: once it listens

`{port}` is a free port, `{host}` the address to listen on, `{folder}` an empty folder of the cell's own. Anything else
in braces stays as it is: a command may have braces of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtests.records.errors import AdapterError

TREE, FILE = "tree", "file:"
Pids = str | tuple[int, ...]
Version = str | tuple[str, ...]

_FILLED = re.compile(r"\{(port|host|folder)\}")
_READY = re.compile(r"GET (/[!-~]*)")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")


class ServerCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the lab starts a server that is not ours."""

    command: tuple[str, ...]
    cwd: str = "."  # once it is read: absolute
    env: dict[str, str] = {}
    ready: str = ""

    @property
    def takes_port(self) -> bool:
        """Whether it can be told where to listen."""
        return any("{port}" in each for each in (*self.command, *self.env.values()))

    @property
    def ready_path(self) -> str:
        """What is asked until the server is ready; empty: it is once it listens."""
        found = _READY.fullmatch(self.ready)
        return found[1] if found else ""


def filled(template: str, *, host: str, port: int, folder: Path) -> str:
    """Return the template with its placeholders replaced, in one pass."""
    values = {"host": host, "port": str(port), "folder": str(folder)}
    return _FILLED.sub(lambda found: values[found[1]], template)


def in_folder(raw: dict[str, object], folder: Path) -> dict[str, object]:
    """Return what a file holds with paths from `folder`, its own, made absolute: `cwd`, or without it `version`'s."""
    server, version = raw.get("server"), raw.get("version")
    if server is None and isinstance(version, list) and version and "/" in str(version[0]):
        return {**raw, "version": [str(folder.resolve() / str(version[0])), *version[1:]]}
    if not isinstance(server, dict) or not isinstance(server.get("cwd", "."), str):
        return raw  # the reader says what is wrong with it
    return {**raw, "server": {**server, "cwd": str((folder / server.get("cwd", ".")).resolve())}}


def check(server: ServerCommand | None, target: str, pids: Pids, version: Version) -> None:
    """Raise AdapterError unless the server can be started, and its processes be found, by these values."""
    _check_pids(pids, started=server is not None)
    _need(bool(version) or version == "", "version", "empty", 'a text, or a command such as ["node", "--version"]')
    if server is None:
        return
    _need(bool(server.command) and server.command[0], "server.command", "empty", "a program and its arguments")
    for name in server.env:
        _need(_VARIABLE.fullmatch(name), "server.env", repr(name), "names of variables")
    _need(not server.ready or server.ready_path, "server.ready", repr(server.ready), '"GET /path", or left out')
    _need(
        server.takes_port or target,
        "server.command",
        f"without {{port}}: {' '.join(server.command)}",
        "{port} where it is told its port, or `target` beside it, which says where it listens",
    )
    _need(
        not (server.takes_port and target),
        "target",
        f"{target}, and [server] says {{port}}",
        "target without {port}, or {port} alone: the lab then finds a free port",
    )


def _check_pids(pids: Pids, *, started: bool) -> None:
    allowed = f'"{TREE}", "{FILE}/path", or a list of pids' + (" of a server that runs already" if started else "")
    if isinstance(pids, str):
        _need(pids == TREE or (pids.startswith(f"{FILE}/")), "pids", repr(pids), allowed)
    else:
        _need(pids and min(pids) > 1 and not started, "pids", _listed(pids), allowed)


def _listed(pids: Sequence[int]) -> str:
    return f"[{', '.join(map(str, pids))}]"


def _need(condition: object, field: str, value: str, allowed: str) -> None:
    if not condition:
        raise AdapterError(f"{field} is {value}; allowed: {allowed}")
