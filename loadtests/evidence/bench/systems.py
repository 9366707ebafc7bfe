"""What is compared: how to start it, and how the load client speaks to it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from core.auth import sign
from loadtests.evidence.bench.build import BenchError, compiled
from loadtests.run.process import end_with_us

TRANSPORTS: Final = ("websocket", "sse", "longpoll")
MODE: Final = {"websocket": "ws", "sse": "sse", "longpoll": "lp"}
_SECRET: Final = "bench-only-key-that-guards-nothing-at-all"  # noqa: S105
_START_S: Final = 20.0
_SETTLE_S: Final = 0.2
_NCHAN: Final = ("/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/share/nginx/modules/ngx_nchan_module.so")


@dataclass(frozen=True)
class Running:
    """A started system."""

    port: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class System:
    """One thing to compare: `command(port, folder)` starts it, `client(transport)` are the load client's arguments.

    `rooms_client(transport)` are those for several rooms, POSTs into them included; None where there is one room only.
    """

    name: str
    command: Callable[[int, Path], list[str]]
    client: Callable[[str], list[str]]
    rooms_client: Callable[[str], list[str]] | None = None

    @contextmanager
    def running(self, core: int | None) -> Iterator[Running]:
        """Start it on a free port, pinned to a core; stop it by pid. Raises BenchError when it does not come up."""
        with tempfile.TemporaryDirectory(prefix="rtlab-bench-") as folder:
            port = free_port()
            command = self.command(port, Path(folder))
            with (Path(folder) / "log").open("wb") as log:
                process = subprocess.Popen(  # noqa: S603
                    command, env=server_environ(), stdout=log, stderr=log, preexec_fn=end_with_us(pinning(core))
                )
            try:
                await_port(self.name, process, port, Path(folder) / "log")
                time.sleep(_SETTLE_S)  # nginx forks its worker after it listens
                children = psutil.Process(process.pid).children(recursive=True)
                yield Running(port, (process.pid, *(child.pid for child in children)))
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def server_environ() -> dict[str, str]:
    """Of our servers under test: the key of `contract_token`, and no limit on messages."""
    return os.environ | {"RTLAB_SECRET": _SECRET, "RTLAB_RATE": "0"}


def pinning(core: int | None) -> Callable[[], None] | None:
    """A `preexec_fn` that pins the child to a core; None where there is none to spare."""
    if core is None:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def systems() -> list[System]:
    """All that can be had here, ours first."""
    found = [_ours("direct"), _ours("direct by write", "--writes", "write"), _ours("portable", "--fanout", "portable")]
    found += [_bare(), _floor("floor", ()), _floor("floor coalescing", ("-c",))]
    module = next((path for path in _NCHAN if Path(path).exists()), None)
    nginx = shutil.which("nginx")
    if nginx is not None and module is not None:
        found.append(_nchan(nginx, module))
    return found


def _ours(name: str, *options: str) -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "transports", "all", "--port", str(port), *options]

    return System(name, command, _contract_client, _contract_rooms_client)


def _bare() -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "transports.bare", str(port)]

    return System("plain Starlette", command, _contract_client)


def _floor(name: str, options: Sequence[str]) -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [str(compiled("floor")), str(port), *options]

    def client(transport: str) -> list[str]:
        mode = MODE[transport]
        upstream = ["--pub", "ws", "--pubpath", "/pub"] if transport == "websocket" else ["--pubpath", "/pub"]
        return ["--path", f"/{mode}", *upstream, "--wrap", "%s"]

    return System(name, command, client)


def _nchan(nginx: str, module: str) -> System:
    def command(port: int, folder: Path) -> list[str]:
        template = Path(__file__).with_name("nchan.conf").read_text()
        user = "user root;" if os.geteuid() == 0 else ""
        config = template.replace("MODULE", module).replace("PORT", str(port)).replace("USER", user)
        (folder / "nchan.conf").write_text(config)
        return [nginx, "-p", str(folder), "-c", str(folder / "nchan.conf")]

    def client(transport: str) -> list[str]:
        upstream = ["--pub", "ws", "--pubpath", "/pub"] if transport == "websocket" else ["--pubpath", "/pub"]
        return ["--path", f"/{MODE[transport]}", *upstream, "--wrap", "%s"]

    def rooms_client(transport: str) -> list[str]:
        return ["--path", f"/room/%R/{MODE[transport]}", "--pubpath", "/room/%R/pub", "--wrap", "%s"]

    return System("nchan", command, client, rooms_client)


def contract_token(user_id: str = "bench") -> str:
    """A token that our servers under test accept."""
    return sign(_SECRET.encode(), user_id, ["*"], time.time() + 3600)


def contract_entry(transport: str, room: str, token: str) -> list[str]:
    """The load client's arguments to enter a room of the contract."""
    if transport == "websocket":
        return ["--path", f"/rooms/{room}/ws", "--wsinit", f'{{"type":"hello","token":"{token}"}}']
    bearer = ["--hdr", f"Authorization: Bearer {token}\r\n"]
    if transport == "sse":
        return ["--path", f"/rooms/{room}/events", *bearer]
    return ["--path", f"/rooms/{room}/poll?wait=25", "--curq", "since", *bearer]


def _contract_client(transport: str) -> list[str]:
    entry = contract_entry(transport, "r", contract_token())
    if transport == "websocket":
        wrap = '{"type":"chat","content":"%s"}'
        return [*entry, "--pub", "ws", "--pubpath", "/rooms/r/ws", "--text", "--wrap", wrap]
    return [*entry, "--pubpath", "/rooms/r/messages", "--text", "--wrap", '{"content":"%s"}']


def _contract_rooms_client(transport: str) -> list[str]:
    token = contract_token()
    entry = contract_entry(transport, "r%R", token)
    if transport == "websocket":  # the POSTs need it too
        entry += ["--hdr", f"Authorization: Bearer {token}\r\n"]
    return [*entry, "--pubpath", "/rooms/r%R/messages", "--text", "--wrap", '{"content":"%s"}']


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(name: str, process: subprocess.Popen[bytes], port: int, log: Path | None = None) -> None:
    """Wait until it listens. Raises BenchError, with the end of `log`, when it ends first or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            why = log.read_text(errors="replace").strip()[-400:] if log is not None else "its exit code says no more"
            raise BenchError(f"{name} did not start ({process.returncode}): {why}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchError(f"{name} does not listen after {_START_S:g} s")
