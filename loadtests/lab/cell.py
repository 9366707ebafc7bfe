"""Run one cell: a fresh server, a fresh generator, a sampler; then counts, costs and the verdict."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.auth import sign
from loadtests.lab import counts, generators, instances, procfs, timeline
from loadtests.lab.cores import Cores
from loadtests.lab.errors import GeneratorError, LinkError, ServerError
from loadtests.lab.generators import Deadline, Generator
from loadtests.lab.plan import PlannedCell
from loadtests.lab.sampler import Reading, Sampler
from loadtests.lab.scaling import Scaling
from loadtests.lab.servers import HOST, Server, ServerSettings, free_port
from loadtests.links import probe
from loadtests.links import route as routes
from loadtests.links.route import Route
from loadtests.links.spec import LOOPBACK
from loadtests.runs import link_validity, validity
from loadtests.runs.schema import PUBLISHES, SAMPLES, Cell, Costs, Counts, Instrument, LinkCheck, Validity, Verdict
from loadtests.runs.store import RunStore
from loadtests.scenarios.scenario import SCALED
from loadtests.scenarios.spec import CellSpec, GeneratorResult, Progress

_PORT_ATTEMPTS = 3
_HEAR_S = 0.1
_SETTLED_SHARE = 0.6  # of a memory cell's hold: joins are delivered by then, and nobody has left yet
_CONNECT_TIMEOUT_S = 10.0
_SLOWEST_CONNECTS_PER_S = 50.0
_SLACK_S = 20.0  # beyond what the cell should take: a slow machine is no failure, a hanging process is


@dataclass(frozen=True, slots=True)
class Bench:
    """What all cells of a run share."""

    settings: ServerSettings = field(default_factory=ServerSettings)
    cores: Cores = field(default_factory=Cores)
    scaling: Scaling | None = None  # how the servers of cells of the kind SCALED are started
    generator_module: tuple[str, ...] = generators.MODULE


@dataclass(frozen=True, slots=True)
class _Memory:
    """Memory at one instant of a memory cell."""

    server_kib: float
    buffers_kib: float | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a cell that got through left behind."""

    result: GeneratorResult
    readings: tuple[Reading, ...]
    server: dict[str, str | int | float | bool]
    before: _Memory
    held: _Memory | None  # memory cells only
    link_check: LinkCheck | None  # cells over a link only


def run(
    planned: PlannedCell,
    bench: Bench,
    store: RunStore,
    *,
    check: Callable[[], None],
    told: Callable[[Progress], None],
) -> Cell:
    """Run the cell and add it to the store; a server or generator that fails makes it invalid.

    `check` is called often and may raise to stop the cell, which then leaves nothing behind but its logs.
    """
    folder = store.scratch(planned.id)
    started_utc = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        outcome = _Measurement(planned, bench, store, folder, check, told).run()
        cell, tables = _judged(planned, outcome, folder, started_utc)
    except (ServerError, GeneratorError, LinkError) as error:
        verdict = Verdict(Validity.INVALID, (str(error),))
        cell, tables = _cell(planned, verdict, started_utc), {}
    store.add(cell, tables)
    return cell


@dataclass(frozen=True, slots=True)
class _Measurement:
    """One cell's processes, from the server's start to the generator's end."""

    planned: PlannedCell
    bench: Bench
    store: RunStore
    folder: Path
    check: Callable[[], None]
    told: Callable[[Progress], None]

    def run(self) -> _Outcome:
        """Start a server and measure it; another one if its port was taken before it could listen."""
        attempts_left = _PORT_ATTEMPTS
        while True:
            attempts_left -= 1
            port = free_port()
            with self._laid(port) as route, self._server(port, route) as server:
                try:
                    return self._measure(server, route)
                except ServerError:
                    # Between finding a free port and listening on it somebody else may take it.
                    if not attempts_left or not server.port_was_taken():
                        raise

    def _laid(self, port: int) -> AbstractContextManager[Route]:
        # What carries packets shares the generator's cores: on the server's it would be taken for the server's cost.
        return routes.opened(self.planned.link, port, seed=self.planned.seed, on_cores=self.bench.cores.generator)

    def _server(self, port: int, route: Route) -> Server:
        settings = self.bench.settings.with_fanout(self.planned.fanout)
        return Server(
            self.planned.target.name,
            replace(settings, scaling=self.bench.scaling) if self.planned.kind == SCALED else settings,
            log=self.store.log("server", self.planned.id),
            on_cores=self.bench.cores.server,
            port=port,
            route=route,
        )

    def _generator(self, server: Server) -> Generator:
        return Generator(
            spec_of(self.planned, server),
            self.folder,
            log=self.store.log("generator", self.planned.id),
            on_cores=self.bench.cores.generator,
            module=self.bench.generator_module,
        )

    def _measure(self, server: Server, route: Route) -> _Outcome:
        scaled = self.planned.kind == SCALED
        link = self.planned.link
        if scaled or link is not None or self.planned.kind == "memory":
            # The first reading must precede the first connection, and whoever connects before all instances listen
            # adds to the first one's load; over a link a server that starts up would be in the probes' way. Other
            # cells start both side by side to save time.
            server.wait_ready(self.check)
        found = probe.check(link, route) if link is not None else None
        before = _memory(server)
        with self._generator(server) as generator:
            server.wait_ready(self.check)
            description = server.describe()
            with Sampler(server.processes, lambda: (generator.pid, *route.pids), _scrape(server)) as sampler:
                held = self._listen(server, generator)
                result = generator.result()
        if held is None and self.planned.kind == "memory":
            raise GeneratorError("the load generator ended before its connections had settled")
        if scaled:
            told = instances.deliveries(HOST, server.port, server.instances)
            description |= {f"deliveries_instance_{place}": count for place, count in enumerate(told.values(), start=1)}
        return _Outcome(result, sampler.readings, description, before, held, found)

    def _listen(self, server: Server, generator: Generator) -> _Memory | None:
        """Hear the generator until it ends, watching the server; return the memory held, in a memory cell."""
        deadline = Deadline(_limit_s(self.planned))
        settled: Deadline | None = None
        held: _Memory | None = None
        while not generator.ended:
            self.check()
            for progress in generator.hear(_HEAR_S):
                if progress.event == "failed":
                    raise generator.failure(told=progress.message)
                if progress.event == "connected" and self.planned.kind == "memory":
                    settled = Deadline(_SETTLED_SHARE * self.planned.hold_s)
                self.told(progress)
            if held is None and settled is not None and settled.passed:
                held = _memory(server)
            server.check_alive()
            if deadline.passed:
                raise GeneratorError(f"the load generator did not end within {deadline.timeout_s:.0f} s")
        return held


def spec_of(planned: PlannedCell, server: Server) -> CellSpec:
    """Return what the generator is asked for, with tokens that outlive the cell."""
    # A Redis outlives the cell's server: rooms of its own keep an earlier cell's history and members out.
    stem = f"room-{secrets.token_hex(4)}" if planned.kind == SCALED else "room"
    rooms = tuple(f"{stem}-{index}" for index in range(planned.load.rooms))
    expires_at_s = int(time.time() + _limit_s(planned) + 600)
    secret = server.secret.encode()
    return CellSpec(
        cell=planned.id,
        user_class=planned.target.user_class,
        host=server.url,
        publish_host=server.near_url if planned.link is not None else "",
        load=planned.load,
        tokens=tuple(sign(secret, f"user-{index}", rooms, expires_at_s) for index in range(planned.users)),
        room_names=rooms,
        warm_up_s=planned.warm_up_s,
        measured_s=planned.measured_s,
        connect_timeout_s=_CONNECT_TIMEOUT_S + planned.load.subscribers / _SLOWEST_CONNECTS_PER_S,
        grace_s=planned.grace_s,
        seed=planned.seed,
        hold_s=planned.hold_s,
    )


def _limit_s(planned: PlannedCell) -> float:
    return planned.measuring_s + _CONNECT_TIMEOUT_S + planned.load.subscribers / _SLOWEST_CONNECTS_PER_S + _SLACK_S


def _memory(server: Server) -> _Memory:
    return _Memory(procfs.rss_kib(server.processes()), procfs.tcp_buffers_kib())


def _scrape(server: Server) -> Callable[[], str | None]:
    """Return the sampler's source of metrics; of several instances one alone would answer, which says nothing."""
    return (lambda: None) if len(server.instances) > 1 else (lambda: _metrics(server))


def _metrics(server: Server) -> str | None:
    try:
        status, body = server.get("/metrics")
    except OSError:
        return None
    return body.decode("utf-8", errors="replace") if status == 200 else None


def _judged(
    planned: PlannedCell, outcome: _Outcome, folder: Path, started_utc: str
) -> tuple[Cell, dict[str, pa.Table]]:
    result, readings = outcome.result, outcome.readings
    samples = _table(folder / "samples.parquet", SAMPLES)
    publishes = _table(folder / "publishes.parquet", PUBLISHES)
    if outcome.held is not None:
        found, health = None, None
        spent = counts.memory_costs(
            result,
            server_kib=(outcome.before.server_kib, outcome.held.server_kib),
            buffers_kib=(outcome.before.buffers_kib, outcome.held.buffers_kib),
            objects_kib=procfs.connection_objects_kib(),
        )
    else:
        found = counts.count(samples, publishes, planned.load, result)
        health = counts.instrument(samples, publishes, result, readings)
        spent = counts.costs(samples, result, readings)
    verdict = validity.judge(
        found,
        health,
        pushes=planned.target.pushes,
        connected=result.subscribers_connected,
        subscribers=planned.load.subscribers,
        idle=outcome.held is not None,
    )
    if outcome.link_check is not None:
        verdict = link_validity.judged(verdict, outcome.link_check)
    cell = _cell(
        planned,
        verdict,
        started_utc,
        counts=found,
        costs=spent,
        instrument=health,
        server=outcome.server,
        link_check=outcome.link_check,
    )
    tables = {
        "samples": samples,
        "publishes": publishes,
        "timeline": timeline.table(planned.id, readings, result),
    }
    return cell, tables


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, schema=schema)
    except (OSError, pa.ArrowException) as error:
        raise GeneratorError(f"the load generator left no readable {path.name}: {error}") from None


def _cell(
    planned: PlannedCell,
    verdict: Verdict,
    started_utc: str,
    *,
    counts: Counts | None = None,
    costs: Costs | None = None,
    instrument: Instrument | None = None,
    server: dict[str, str | int | float | bool] | None = None,
    link_check: LinkCheck | None = None,
) -> Cell:
    load = planned.load
    return Cell(
        id=planned.id,
        transport=planned.target.name,
        load=load.name,
        kind=planned.kind,
        block=planned.block,
        order=planned.order,
        subscribers=load.subscribers,
        publishers=load.publishers,
        rooms=load.rooms,
        rate_per_s=load.rate_per_s,
        payload_bytes=load.payload_bytes,
        warm_up_s=planned.warm_up_s,
        measured_s=planned.measured_s if planned.kind != "memory" else planned.hold_s,
        link=LOOPBACK if planned.link is None else str(planned.link),
        link_check=link_check,
        verdict=verdict,
        counts=counts,
        costs=costs,
        instrument=instrument,
        server=server or {},
        started_utc=started_utc,
        arrivals=load.arrivals,
        direction=load.direction,
    )
