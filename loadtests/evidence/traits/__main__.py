"""`python -m loadtests.evidence.traits [--out FILE]`: try what each transport's connection can do.

nginx stands in front of a server twice: as it comes, and with the settings that its manual names for streams. Without
nginx the questions about it stay open, and standard error says so.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from core.auth import sign
from loadtests.evidence.traits import MULTIPLEXED, WIRE_CLIENTS, ProbedServer, duplex, passage
from loadtests.records.errors import LabError
from loadtests.records.facts import Trait, Traits
from loadtests.run import manifest, targets
from loadtests.run.process import Child
from loadtests.run.servers import Server, ServerSettings, free_port, listens

_READY_S = 10.0
_STOP_S = 5.0

# https://nginx.org/en/docs/http/websocket.html and ngx_http_proxy_module, proxy_buffering
_FOR_STREAMS = """proxy_http_version 1.1; proxy_buffering off;
   proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"""

_CONFIG = """daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn; USER
events {{ worker_connections 128; }}
http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy;
 fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
 map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
 server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
 server {{ listen 127.0.0.1:{configured}; location / {{ proxy_pass http://127.0.0.1:{behind}; {settings} }} }}
}}
"""
_SCHEMA = 1
_TOKEN_S = 600.0


def examine(folder: Path) -> Traits:
    """Start the servers (and nginx before one) and ask every transport. Raises LabError."""
    with _served("all", ServerSettings(), folder) as server:
        able = {wire_client.transport: duplex(wire_client, server) for wire_client in WIRE_CLIENTS}
        passages = _passages(server, folder) if (version := nginx_version()) else {}
    for wire_client in MULTIPLEXED:
        target = targets.target(wire_client.transport)
        with _served(target.server_name, ServerSettings().of_target(target), folder) as server:
            able[wire_client.transport] = duplex(wire_client, server)
    rows = [Trait(name, able[name], *passages.get(name, ("", ""))) for name in able]
    commit = manifest.short_commit(manifest.git(Path(__file__).parents[3]), "not in git")
    return Traits(_SCHEMA, commit, version, tuple(rows))


@contextmanager
def _served(name: str, settings: ServerSettings, folder: Path) -> Iterator[ProbedServer]:
    with Server(name, settings, log=folder / f"{name}.log") as server:
        server.wait_ready(lambda: None)
        yield ProbedServer(server.port, sign(server.secret.encode(), "trial", ["*"], time.time() + _TOKEN_S))


def _passages(server: ProbedServer, folder: Path) -> dict[str, tuple[str, str]]:
    with proxies(server.port, folder) as ports:
        return {
            wire_client.transport: (
                str(passage(wire_client, server, ports.plain_port)),
                str(passage(wire_client, server, ports.configured_port)),
            )
            for wire_client in WIRE_CLIENTS
        }


@dataclass(frozen=True, slots=True)
class Proxies:
    """Ports of this machine: nginx as it comes, and configured for streams."""

    plain_port: int
    configured_port: int


def nginx_version() -> str:
    """Return nginx's version, empty where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        return ""
    said = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    found = re.search(r"nginx/(\S+)", said.stderr + said.stdout)
    return found[1] if found else "unknown version"


@contextmanager
def proxies(behind_port: int, folder: Path) -> Iterator[Proxies]:
    """Run nginx before a port until the context is left. Raises LabError."""
    program = shutil.which("nginx")
    if program is None:
        raise LabError("nginx was not found")
    ports = Proxies(free_port(), free_port())
    config = _CONFIG.format(
        plain=ports.plain_port, configured=ports.configured_port, behind=behind_port, settings=_FOR_STREAMS
    )
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(config.replace("USER", user), encoding="utf-8")
    child = Child(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")],
        log=folder / "nginx.log",
        environment=os.environ,
    )
    try:
        for port in (ports.plain_port, ports.configured_port):
            if not listens(port, _READY_S, lambda: child.exit_code() is not None):
                raise LabError(f"nginx did not listen within {_READY_S:g} s, or ended: {child.last_line()}")
        yield ports
    finally:
        child.stop(_STOP_S)


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.traits", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the answers there as JSON")
    options = parser.parse_args(arguments)
    try:
        with TemporaryDirectory(prefix="rtlab-traits-") as folder:
            found = examine(Path(folder))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not found.nginx:
        sys.stderr.write("nginx was not found: nothing is said of proxies\n")
    for row in found.rows:
        proxied = f"nginx {found.nginx}: {row.proxy}; configured: {row.proxy_told}" if row.proxy else ""
        sys.stdout.write(f"{row.transport:<11} duplex {'yes' if row.duplex else 'no':<4} {proxied}".rstrip() + "\n")
    if options.out is not None:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
