"""Other libraries' rooms, as their users write them: npm's ws and socket.io where node is, python-socketio."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtests.evidence.bench.systems import System
from loadtests.records.errors import LabError

ON_NODE: Final = ("Socket.IO, node", "ws, node")
_SOURCES: Final = Path(__file__).with_name("peers")
_INSTALL_S: Final = 180.0
_INSTALL: Final = ("install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")


def python_socketio() -> System:
    """Its server on uvicorn; a further argument is the Redis that instances share."""
    script = str(_SOURCES / "socketio_rooms.py")
    return System("python-socketio", lambda port, _: [sys.executable, script, str(port)], member_client=_socketio)


def on_node(warn: Callable[[str], None]) -> list[System]:
    """ws and Socket.IO; none, and `warn` is called with why, where they cannot be had."""
    try:
        node, folder = _installed()
    except LabError as error:
        warn(f"NOT MEASURED: Socket.IO and ws on node: {error}")
        return []

    def command(script: str) -> Callable[[int, Path], list[str]]:
        return lambda port, _: [node, str(folder / script), str(port)]

    scripts = ("socketio_rooms.js", _socketio), ("ws_rooms.js", _ws)
    return [
        System(name, command(script), member_client=client)
        for name, (script, client) in zip(ON_NODE, scripts, strict=True)
    ]


def _ws(transport: str) -> list[str]:
    return ["--path", "/rooms/%L-%R", "--wrap", "%s"]


def _socketio(transport: str) -> list[str]:
    entry = ["--path", "/socket.io/?EIO=4&transport=websocket", "--wsinit", '40{"room":"%L-%R"}', "--ready", "40"]
    return [*entry, "--wrap", '420["chat","%s"]', "--ack", "430["]


def _installed() -> tuple[str, Path]:
    """The path of node, and a folder with our scripts and the packages; made once. Raises LabError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise LabError("node and npm are not on PATH")
    sources = sorted([*_SOURCES.glob("*.js"), _SOURCES / "package.json"])
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtlab"
    folder = cache / f"bench-peers-{digest}"
    if folder.exists():
        return node, folder
    building = folder.with_suffix(".new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for each in sources:
        shutil.copy(each, building)
    try:
        done = subprocess.run(  # noqa: S603
            [npm, *_INSTALL], cwd=building, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"npm install did not end in {_INSTALL_S:g} s") from None
    if done.returncode:
        raise LabError(f"npm install failed: {done.stderr.strip()[-200:]}")
    building.replace(folder)
    return node, folder
