"""Server processes under test: started for real, spoken to over 127.0.0.1, ended by their own pid."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from core.catalogue import records
from tests.contracts.kit.limits import GONE_S, READY_S
from tests.contracts.kit.prepared import PreparedProcess
from tests.contracts.kit.tls import TLS, Pair, tls_for
from tests.contracts.kit.tokens import SECRET
from tests.tracing import CONFIG

Launcher = Literal["forked", "module", "uvicorn"]
"""Forked from a process that has imported the server's modules (`prepared`), or a program started from nothing."""

HOST = "127.0.0.1"
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+")
_POLL_PAUSE_S = 0.02
_PARTS_OF_ALL = ("websocket", "sse", "longpoll", "shortpoll")  # coverage sees their code in `all`


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What to start. `settings` are `RTLAB_*` variables without the prefix, e.g. `RATE="0"`."""

    name: str
    settings: tuple[tuple[str, str], ...] = ()
    launcher: Launcher = "module"
    pair: Pair | None = None
    """Of https and wss by uvicorn; without one only HTTP/2 is over TLS, by a pair that the server makes."""

    @property
    def tls(self) -> bool:
        return self.http2 or self.pair is not None

    @property
    def http2(self) -> bool:
        """Whether Hypercorn serves it, over TLS: what needs HTTP/2, or any other as `NAME-h2`."""
        record = records().get(self.name)
        return self.name.endswith("-h2") or (record is not None and record.server.http2 == "required")

    def arguments(self, port: int) -> list[str]:
        served = f"transports.{self.name}:app" if self.launcher == "uvicorn" else self.name.removesuffix("-h2")
        http2 = ["--http2"] if self.name.endswith("-h2") else []
        return [served, *http2, *self._pair_options(), "--host", HOST, "--port", str(port)]

    def _pair_options(self) -> list[str]:
        if self.pair is None:
            return []
        prefix = "--ssl-" if self.launcher == "uvicorn" else "--"
        return [f"{prefix}certfile", str(self.pair.certfile), f"{prefix}keyfile", str(self.pair.keyfile)]

    def command(self, port: int) -> list[str]:
        program = "uvicorn" if self.launcher == "uvicorn" else "transports"
        return [sys.executable, "-m", program, *self.arguments(port)]

    def environment(self) -> dict[str, str]:
        """The caller's environment (coverage hooks included), but no `RTLAB_*` of the caller's."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("RTLAB_")}
        if self.name in _PARTS_OF_ALL:
            own.pop(CONFIG, None)
        settings = {"SECRET": SECRET} | dict(self.settings)
        return own | {f"RTLAB_{name}": value for name, value in settings.items() if value}


def spec(
    name: str,
    settings: Mapping[str, str] | None = None,
    launcher: Launcher = "module",
    pair: Pair | None = None,
) -> ServerSpec:
    return ServerSpec(name, tuple(sorted((settings or {}).items())), launcher, pair)


@dataclass(slots=True)
class ServerProcess:
    """One running server. `stop` is idempotent and always ends the process."""

    spec: ServerSpec
    log_path: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | PreparedProcess | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.spec.tls else "http"

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    @property
    def ws_base_url(self) -> str:
        return self.base_url.replace("http", "ws", 1)

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def process(self) -> subprocess.Popen[bytes] | PreparedProcess:
        assert self._process is not None, "the server was not started"
        return self._process

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self.spec.launcher == "forked":
            self._process = PreparedProcess(self.spec.arguments(self.port), self.spec.environment(), self.log_path)
            return
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.spec.command(self.port),
                env=self.spec.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Start and wait until `GET /health` answers 200; raises RuntimeError with the log if it never does."""
        self.launch()
        deadline = time.monotonic() + READY_S
        with httpx.Client(trust_env=False, timeout=READY_S, verify=TLS) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    if client.get(f"{self.base_url}/health").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(_POLL_PAUSE_S)
        exit_code = self.process.poll()
        self.stop()
        raise RuntimeError(f"{self.spec} was not ready (exit code {exit_code}); its log:\n{self.log_text()}")

    async def open_connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to say what no client would; over TLS where the server is."""
        return await asyncio.open_connection(HOST, self.port, ssl=tls_for(self.base_url))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = GONE_S) -> int:
        """The exit code; raises `subprocess.TimeoutExpired` when the process outlives the limit."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, then SIGKILL past the limit; the exit code."""
        if self.process.poll() is None:
            self.terminate()
            try:
                return self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.wait()

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    def log_offences(self) -> list[str]:
        """Lines of the log that no client may cause: tracebacks, and anything that looks like a token."""
        return [
            line
            for line in self.log_text().splitlines()
            if "Traceback (most recent call last)" in line or _TOKEN.search(line) or SECRET in line
        ]
