"""Ways to a server: none but the loopback, or an emulated link by the best mechanism that this machine allows.

netem in a network namespace, else the TUN shuttle between two namespaces (both carry real TCP and need root), else the
relay. Which one is found out once, by trying.
"""

from __future__ import annotations

import functools
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from loadtests.records.errors import LinkError
from loadtests.records.link_spec import Link, parse
from loadtests.run.links.namespace import Namespace, lay_netem
from loadtests.run.process import end_with_us, running_on

LOOPBACK_HOST = "127.0.0.1"
MECHANISMS = ("netem", "tun", "relay")
_READY_S = 20.0


@dataclass(frozen=True, slots=True)
class Route:
    """How a server is started so that the link leads to it, and where it is then found."""

    mechanism: str = ""  # one of MECHANISMS; empty: the loopback, no link
    bind: str = LOOPBACK_HOST  # what the server listens on
    prefix: tuple[str, ...] = ()  # before the server's command line
    near: str = LOOPBACK_HOST  # the server's host for clients beside it: the lab, the publishers
    far: tuple[str, int] | None = None  # host and port over the link; None: as near
    probe: tuple[str, int] | None = None  # what answers a probe over the link: port 0 for ICMP, else a TCP echo
    pids: tuple[int, ...] = ()  # of what carries the packets


LOOPBACK_ROUTE = Route()


@contextmanager
def opened(
    link: Link | None, port: int, *, seed: int, mechanism: str = "", on_cores: frozenset[int] = frozenset()
) -> Iterator[Route]:
    """Lay the link to a server that will listen on `port`; it lasts as long as the block. LinkError.

    `mechanism`: one of MECHANISMS, empty for the best there is. What carries the packets runs on `on_cores`.
    """
    if link is None:
        yield LOOPBACK_ROUTE
        return
    mechanism = mechanism or best()[0]
    _require(link, mechanism)
    with (
        _relayed(link, port, seed, on_cores)
        if mechanism == "relay"
        else _spaced(link, port, seed, mechanism, on_cores) as route
    ):
        yield route


def require(texts: Iterable[str]) -> None:
    """Raise LinkError unless this machine can lay all these links."""
    for link in filter(None, map(parse, sorted(texts))):
        _require(link, *best())


def _require(link: Link, mechanism: str, why: str = "") -> None:
    if mechanism == "relay" and link.loss_percent:
        raise LinkError(
            f"link {link}: a relay of TCP connections can lose no packet; loss needs network namespaces, that is root "
            "on Linux with iproute2" + (f" (here: {why})" if why else "")
        )


@functools.cache
def best() -> tuple[str, str]:
    """Return the best mechanism that works here, and why no better one does (empty for the best of all)."""
    reasons: list[str] = []
    trial = Link(rtt_ms=1.0)
    for mechanism in MECHANISMS[:-1]:
        try:
            with _spaced(trial, 0, 0, mechanism, frozenset()):
                return mechanism, "; ".join(reasons)
        except LinkError as error:
            reasons.append(f"no {mechanism}: {error}")
    return MECHANISMS[-1], "; ".join(dict.fromkeys(reasons))


@contextmanager
def _spaced(link: Link, port: int, seed: int, mechanism: str, on_cores: frozenset[int]) -> Iterator[Route]:
    """Route into a namespace, over netem or the shuttle."""
    with Namespace() as namespace:
        route = Route(
            mechanism=mechanism,
            bind="0.0.0.0",  # noqa: S104  # all addresses of a namespace that nobody else is in
            prefix=namespace.prefix,
            near=namespace.near,
            far=(namespace.far, port),
            probe=(namespace.far, 0),
        )
        if mechanism == "netem":
            lay_netem(namespace, link)
            yield route
            return
        arguments = (str(link), str(namespace.holder), namespace.far_device, str(seed))
        with _carrier("shuttle", arguments, on_cores) as (pid, _):
            namespace.address_far()
            yield replace(route, pids=(pid,))


@contextmanager
def _relayed(link: Link, port: int, seed: int, on_cores: frozenset[int]) -> Iterator[Route]:
    with _carrier("relay", (str(link), LOOPBACK_HOST, str(port), str(seed)), on_cores) as (pid, said):
        front, probe = (int(number) for number in said.split())
        yield Route(mechanism="relay", far=(LOOPBACK_HOST, front), probe=(LOOPBACK_HOST, probe), pids=(pid,))


@contextmanager
def _carrier(module: str, arguments: Sequence[str], on_cores: frozenset[int]) -> Iterator[tuple[int, str]]:
    """Run a carrying process of this package for the block; yield its pid and the line it says when it is ready."""
    command = (sys.executable, "-m", f"loadtests.run.links.{module}", *arguments)
    with running_on(on_cores):
        process = subprocess.Popen(  # noqa: S603  # the lab's own command lines
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=end_with_us(),
        )
    with process:
        try:
            yield process.pid, _first_line(module, process)
        finally:
            process.kill()  # its devices and connections go with it: there is nothing to put in order


def _first_line(module: str, process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = b""
    if select.select([process.stdout], (), (), _READY_S)[0]:
        line = process.stdout.readline()
    if not line:
        process.kill()
        said = process.stderr.read().decode(errors="replace").strip().splitlines()
        raise LinkError(f"the link's {module} did not start" + (f": {said[-1]}" if said else ""))
    return line.decode()
