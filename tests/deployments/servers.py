"""How each server is started: the commands that docs/deployment.md gives, with a port, a certificate and a loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.contracts.kit.tls import Pair

Loop = Literal["uvloop", "asyncio"]
Sink = Literal["direct", "portable"]

HEARTBEAT_S: Final = 2.0  # also how long a client may take to answer a ping
DRAIN_S: Final = 3.0
PREFIX: Final = "/lab"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to listen, and what it is to serve."""

    app: str  # module:attribute
    port: int
    folder: Path  # of its own: a socket, or the module of an app that mounts ours
    tls: Pair | None
    loop: Loop

    @property
    def name(self) -> str:
        """The transport's, which `rtlab serve` takes."""
        return self.app.removeprefix("transports.").removesuffix(":app")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tls_options(self, certificate: str, key: str) -> list[str]:
        return [certificate, str(self.tls.certfile), key, str(self.tls.keyfile)] if self.tls is not None else []


@dataclass(frozen=True, slots=True)
class Server:
    """One row: its command, by parts of `Place`, and how the documentation writes it."""

    name: str
    shown: str
    command: Callable[[Place], list[str]]
    module: str  # what has to be installed for it
    workers: int = 1
    prefix: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _rtlab(place: Place) -> list[str]:
    listening = ["--host", "127.0.0.1", "--port", str(place.port)]
    return _python("loadtests.cli", "serve", place.name, *listening, *place.tls_options("--certfile", "--keyfile"))


def uvicorn(place: Place, *options: str, app: str = "") -> list[str]:
    where = options or ("--host", "127.0.0.1", "--port", str(place.port))
    tls = place.tls_options("--ssl-certfile", "--ssl-keyfile")
    return _python("uvicorn", app or place.app, *where, "--loop", place.loop, *tls)


def _uvicorn_workers(place: Place) -> list[str]:
    return [*uvicorn(place), "--workers", "2"]


def _uvicorn_uds(place: Place) -> list[str]:
    return uvicorn(place, "--uds", str(place.folder / "socket"))


def _mounted(place: Place) -> list[str]:
    return [*uvicorn(place, app="mounted:app"), "--app-dir", str(place.folder)]


def gunicorn(place: Place, *options: str) -> list[str]:
    worker = {"uvloop": "UvicornWorker", "asyncio": "UvicornH11Worker"}[place.loop]
    tls = place.tls_options("--certfile", "--keyfile")
    listening = ["-k", f"uvicorn_worker.{worker}", "-b", place.address, "--no-control-socket"]
    return _python("gunicorn", place.app, *listening, *tls, *options)


def hypercorn(place: Place, *options: str) -> list[str]:
    tls = place.tls_options("--certfile", "--keyfile")
    pings = ["--websocket-ping-interval", f"{HEARTBEAT_S:g}"]
    return _python("hypercorn", place.app, "-b", place.address, "-k", place.loop, *pings, *tls, *options)


def granian(place: Place, *options: str) -> list[str]:
    listening = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(place.port), "--loop", place.loop]
    return _python("granian", *listening, *place.tls_options("--ssl-certificate", "--ssl-keyfile"), *options, place.app)


def _daphne(place: Place) -> list[str]:
    if place.tls is None:
        return _python("daphne", "-b", "127.0.0.1", "-p", str(place.port), place.app)
    keys = f"privateKey={place.tls.keyfile}:certKey={place.tls.certfile}"
    return _python("daphne", "-e", f"ssl:{place.port}:interface=127.0.0.1:{keys}", place.app)


SERVERS: Final = {
    server.name: server
    for server in (
        Server("rtlab serve", "rtlab serve sse", _rtlab, "uvicorn"),
        Server("uvicorn", "uvicorn transports.sse:app", uvicorn, "uvicorn"),
        Server("uvicorn, 2 workers", "uvicorn transports.sse:app --workers 2", _uvicorn_workers, "uvicorn", 2),
        Server("uvicorn, Unix socket", "uvicorn transports.sse:app --uds FILE", _uvicorn_uds, "uvicorn"),
        Server("uvicorn, mounted", "uvicorn mounted:app", _mounted, "uvicorn", prefix=PREFIX),
        Server("gunicorn", "gunicorn transports.sse:app -k uvicorn_worker.UvicornWorker", gunicorn, "uvicorn_worker"),
        Server("hypercorn", "hypercorn transports.sse:app", hypercorn, "hypercorn"),
        Server("granian", "granian --interface asgi transports.sse:app", granian, "granian"),
        Server("daphne", "daphne transports.sse:app", _daphne, "daphne"),
    )
}
