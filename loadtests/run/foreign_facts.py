"""What is known of foreign servers before a run: that their programs are there, and what the manifest says of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from loadtests.records.errors import ServerError, UsageError
from loadtests.records.own_server import ServerCommand
from loadtests.records.schema import Value
from loadtests.run.foreign import Foreign
from loadtests.run.started import inherited

_VERSION_S = 20.0


def require_startable(servers: Sequence[Foreign]) -> None:
    """Raise UsageError for a command that is not there."""
    for each in servers:
        command = each.adapter.server
        if command is None:
            continue
        if not Path(command.cwd).is_dir():
            raise UsageError(f"the adapter {each.adapter.name}: server.cwd is no folder: {command.cwd}")
        _require_program(each.adapter.name, "server.command", command.command[0], command)


def _require_program(name: str, field: str, program: str, command: ServerCommand | None) -> None:
    path = (command.env if command else {}).get("PATH")
    # With a slash it is a path from `cwd`; without one it is looked for on PATH.
    beside = Path(command.cwd if command else ".", program)
    there = os.access(beside, os.X_OK) and beside.is_file() if "/" in program else shutil.which(program, path=path)
    if not there:
        where = f"{beside}, and no program is there" if "/" in program else f"{program}, which is not on PATH"
        raise UsageError(f"the adapter {name}: {field} begins with {where}")


def described(servers: Sequence[Foreign]) -> dict[str, Value]:
    """Return what the manifest says of each server: its protocol, who runs it, its program and version. UsageError."""
    found: dict[str, Value] = {}
    for each in servers:
        adapter = each.adapter
        said = {"protocol": adapter.protocol, "runs": each.place, "program": _program(each), "version": _version(each)}
        found |= {f"{adapter.name}.{key}": value for key, value in said.items() if value}
    return found


def _program(server: Foreign) -> str:
    """Return the name of the program, without its path: a run may be published."""
    if server.adapter.server is not None:
        return Path(server.adapter.server.command[0]).name
    try:
        pids = server.processes()
        return Path(psutil.Process(pids[0]).exe()).name if pids else ""
    except ServerError as error:
        raise UsageError(str(error)) from None
    except psutil.Error:
        return ""


def _version(server: Foreign) -> str:
    asked, name, command = server.adapter.version, server.adapter.name, server.adapter.server
    if isinstance(asked, str):
        return asked[:100]
    _require_program(name, "version", asked[0], command)
    environment = inherited() | (command.env if command else {})
    folder = command.cwd if command else None
    try:
        done = subprocess.run(  # noqa: S603  # the adapter's own command
            asked, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=_VERSION_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the adapter {name}: version {' '.join(asked)}: {error}") from None
    # Java and nginx say it on stderr, where warnings of others come first.
    said = next((line.strip() for line in (done.stdout.strip() or done.stderr).splitlines() if line.strip()), "")
    if done.returncode or not said:
        raise UsageError(
            f"the adapter {name}: version {' '.join(asked)} ended with exit code {done.returncode}"
            + (f" and said {said[:200]}" if said else " and said nothing")
        )
    return "".join(filter(str.isprintable, said))[:100]
