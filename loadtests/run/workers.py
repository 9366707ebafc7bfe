"""Several Locust workers instead of one generator: what may be asked for, and how a cell is judged worker by worker."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.load.clients.base import parse_endpoint
from loadtests.records.cell_spec import DOWNSTREAM, Load, Workers
from loadtests.records.errors import UsageError
from loadtests.records.link_spec import LOOPBACK
from loadtests.records.schema import FROM_THE_BEST, Instrument, Verdict
from loadtests.run import procfs
from loadtests.run.foreign import Foreign
from loadtests.run.links.route import LOOPBACK_HOST, LOOPBACK_ROUTE, Route
from loadtests.run.scenario import Scenario

MODULE = "loadtests.load.users.cell_master"
MOST = 64
DEFAULT_PORT = 5557  # Locust's own
_PATIENCE_S = 120.0  # for somebody to start workers on other machines
_OPEN = (
    "Locust does not authenticate workers: whoever reaches {host}:{port} can take part in this run, and get its tokens"
)


def asked(
    generators: str | None, bind_host: str | None, port: int | None, *, sync_clocks: bool = False
) -> Workers | None:
    """Return what `--generators N[+M]` asks for: N workers here, M that come from elsewhere; None for one process.

    Raises UsageError.
    """
    parts = re.fullmatch(r"(\d{1,4})(?:\+(\d{1,4}))?", generators or "1", re.ASCII)
    here, elsewhere = (int(parts[1]), int(parts[2] or 0)) if parts else (0, 0)
    if not 1 <= here + elsewhere <= MOST:
        raise UsageError(f"--generators {generators}: N or N+M is allowed, 1 to {MOST} in all (M come from elsewhere)")
    if not elsewhere:
        if bind_host is not None or port is not None or sync_clocks:
            raise UsageError(
                "--master-bind-host, --master-bind-port and --sync-clocks are for workers from elsewhere: "
                "--generators N+M"
            )
        return Workers(here=here) if here > 1 else None
    if bind_host == "*" or any(each.is_unspecified for each in _addresses(bind_host or LOOPBACK_HOST)):
        raise UsageError(f"--master-bind-host {bind_host}: give the address by which workers reach this machine")
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--master-bind-port {port}: 1 to 65535 is allowed")
    return Workers(
        here=here,
        elsewhere=elsewhere,
        bind_host=bind_host or LOOPBACK_HOST,
        port=port or DEFAULT_PORT,
        sync_clocks=sync_clocks,
        patience_s=_PATIENCE_S,
    )


def require_measurable(workers: Workers, scenario: Scenario) -> None:
    """Raise UsageError for a cell that these workers can't measure."""
    total = workers.here + workers.elsewhere
    for cell in scenario.cells:
        if cell.load.subscribers < total:
            raise UsageError(
                f"{total} generators for the {cell.load.subscribers} subscribers of {cell.load.name}: each needs one; "
                f"1 to {cell.load.subscribers} in all is allowed"
            )
        if workers.elsewhere and cell.link != LOOPBACK:
            raise UsageError(f"the load {cell.load.name} has the link {cell.link}, which leads to no other machine")


def require_bindable(workers: Workers) -> None:
    """Raise UsageError where workers from elsewhere could not reach the master, because it could not listen."""
    if not workers.elsewhere:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            workers.bind_host, workers.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the master does
            tried.bind(address)
            tried.listen()
    except OSError as error:
        raise UsageError(
            f"--master-bind-host {workers.bind_host}, --master-bind-port {workers.port}: {error.strerror or error}; "
            "give an address of this machine and a port that is free"
        ) from None


def require_reachable(workers: Workers, servers: Sequence[Foreign]) -> None:
    """Raise UsageError for an address at which workers from elsewhere would look on their own machines."""
    if not workers.elsewhere or _is_here_alone(workers.bind_host):
        return
    for each in servers:
        publish = each.adapter.publish.target
        # A server that the lab starts listens where the workers reach the master.
        for what, url in (("server", "" if each.adapter.server is not None else each.url), ("publish.target", publish)):
            if url and _is_here_alone(parse_endpoint(url).host):
                raise UsageError(
                    f"the adapter {each.adapter.name}'s {what} is at {url}, and workers from elsewhere would look for "
                    "it on their own machines: give an address by which they reach it"
                )


def _is_here_alone(host: str) -> bool:
    """Whether every machine finds itself by this name: it is the loopback's, or no address in particular."""
    found = _addresses(host)
    return bool(found) and all(each.is_loopback or each.is_unspecified for each in found)


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of a name, without the scope of an interface; one that stands for another as that one."""
    found = [ipaddress.ip_address(each.partition("%")[0]) for each in procfs.addresses(host, 0)]
    return [getattr(each, "ipv4_mapped", None) or each for each in found]


def announcement(workers: Workers, cores: int) -> tuple[str, ...]:
    """Return what a person should know before the first cell."""
    said: list[str] = []
    if workers.here > max(1, cores):
        place = "one core" if cores <= 1 else f"{cores} cores"
        said.append(f"{workers.here} generators share {place}: together they do no more than that")
    if workers.elsewhere:
        command = f"locust -f loadtests/locustfile.py --worker --master-host {workers.bind_host}"
        said.append(f"waiting for {workers.elsewhere} from elsewhere: {command} --master-port {workers.port}")
        if not workers.bind_host.startswith("127."):
            said.append(f"warning: {_OPEN.format(host=workers.bind_host, port=workers.port)}")
    return tuple(said)


def route_for(workers: Workers | None) -> Route:
    """Return how the lab's own servers are started, so that workers from elsewhere find them."""
    if workers is None or not workers.elsewhere:
        return LOOPBACK_ROUTE
    return Route(bind=workers.bind_host, near=workers.bind_host)


def module_of(workers: Workers) -> tuple[str, str]:
    """Return the module that measures a cell with these workers, and its first argument."""
    return MODULE, msgspec.json.encode(workers).decode()


def part_of(table: pa.Table, load: Load, worker: int, workers: int) -> pa.Table:
    """Return the rows of SAMPLES or PUBLISHES that one of the workers recorded: its users' (`cell_spec.Share`)."""
    if "subscriber" in table.schema.names:
        numbers = table["subscriber"]
    else:
        numbers = pc.add(table["publisher"], load.subscribers if load.direction == DOWNSTREAM else 0)
    users = numbers.to_numpy()
    return table.filter(pa.array(users % workers == worker))


def judge_each(judge: Callable[[Instrument | None], Verdict], health: Mapping[str, Instrument]) -> Verdict:
    """Return the worst verdict over the workers, by name; a reason that is not everybody's names its worker."""
    common = judge(None)
    verdicts = {worker: judge(instrument) for worker, instrument in health.items()}

    def said(words: Callable[[Verdict], Sequence[str]]) -> tuple[str, ...]:
        of_all = [*words(common)]
        first = next(iter(verdicts.values()), common)
        of_all += [each for each in words(first) if all(each in words(v) for v in verdicts.values())]
        own = [f"{worker}: {e}" for worker, verdict in verdicts.items() for e in words(verdict) if e not in of_all]
        return (*dict.fromkeys(of_all), *own)

    worst = max((common, *verdicts.values()), key=lambda verdict: FROM_THE_BEST.index(verdict.validity))
    return Verdict(worst.validity, said(lambda verdict: verdict.reasons), said(lambda verdict: verdict.noted))


def worst(health: Sequence[Instrument]) -> Instrument | None:
    """Return of each figure the value of the worker that it speaks most against."""
    if not health:
        return None
    worst: dict[str, object] = {}
    for field in msgspec.structs.fields(Instrument):
        known = [value for each in health if (value := getattr(each, field.name)) is not None]
        if field.name == "clock":
            worst[field.name] = max(known)  # "user" after "kernel"
        elif known:
            worst[field.name] = min(known) if field.name.endswith("_min") else max(known)
    return msgspec.structs.replace(health[0], **worst)
