"""`python -m loadtests.evidence.traits [--out FILE]`: try what each transport's connection can do.

Without nginx the questions about it stay open, and standard error says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from core.auth import sign
from loadtests.evidence.traits import proxy
from loadtests.evidence.traits.probe import MULTIPLEXED, WIRE_CLIENTS, ProbedServer, duplex, passage
from loadtests.records.errors import LabError
from loadtests.records.facts import Trait, Traits
from loadtests.run import manifest, targets
from loadtests.run.servers import Server, ServerSettings

_SCHEMA = 1
_TOKEN_S = 600.0


def examine(folder: Path) -> Traits:
    """Start the servers (and nginx before one) and ask every transport. Raises LabError."""
    with _served("all", ServerSettings(), folder) as server:
        able = {wire_client.transport: duplex(wire_client, server) for wire_client in WIRE_CLIENTS}
        passages = _passages(server, folder) if (version := proxy.version()) else {}
    for wire_client in MULTIPLEXED:
        target = targets.target(wire_client.transport)
        with _served(target.server_name, ServerSettings().of_target(target), folder) as server:
            able[wire_client.transport] = duplex(wire_client, server)
    rows = [Trait(name, able[name], *passages.get(name, ("", ""))) for name in able]
    commit = manifest.git(Path(__file__).parents[3])["commit"]
    return Traits(_SCHEMA, str(commit)[:7] if commit else "not in git", version, tuple(rows))


@contextmanager
def _served(name: str, settings: ServerSettings, folder: Path) -> Iterator[ProbedServer]:
    with Server(name, settings, log=folder / f"{name}.log") as server:
        server.wait_ready(lambda: None)
        yield ProbedServer(server.port, sign(server.secret.encode(), "trial", ["*"], time.time() + _TOKEN_S))


def _passages(server: ProbedServer, folder: Path) -> dict[str, tuple[str, str]]:
    with proxy.proxies(server.port, folder) as ports:
        return {
            wire_client.transport: (
                str(passage(wire_client, server, ports.plain_port)),
                str(passage(wire_client, server, ports.configured_port)),
            )
            for wire_client in WIRE_CLIENTS
        }


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
