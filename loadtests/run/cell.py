"""Run one cell: a fresh server, a fresh generator, a sampler; then counts, costs and the verdict."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.auth import sign
from loadtests.records.cell_spec import MEASURED, CellSpec, Progress, Workers
from loadtests.records.errors import GeneratorError, LabError, LinkError, ServerError
from loadtests.records.schema import Cell, Validity, Verdict
from loadtests.records.store import RunStore
from loadtests.run import generators, instances, procfs, started
from loadtests.run.ahead import ServerAhead
from loadtests.run.foreign import ForeignServer
from loadtests.run.generators import Generator
from loadtests.run.instances import Scaling
from loadtests.run.links import probe
from loadtests.run.links import route as routes
from loadtests.run.links.route import Route
from loadtests.run.outcome import CellOutcome, Memory, cell_of, judged
from loadtests.run.plan import PlannedCell
from loadtests.run.process import Cores
from loadtests.run.sampler import Sampler
from loadtests.run.scenario import SCALED
from loadtests.run.servers import HOST, Server, ServerSettings, free_port
from loadtests.run.workers import module_of, route_for

_FAILED: dict[type[LabError], str] = {ServerError: "server", GeneratorError: "generator", LinkError: "link"}
_PORT_ATTEMPTS = 3
_SETTLED_SHARE = 0.6  # of a memory cell's hold: joins are delivered by then, and every connection is still open
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
    workers: Workers | None = None  # instead of one generator


def run(
    planned: PlannedCell,
    bench: Bench,
    store: RunStore,
    *,
    check: Callable[[], None],
    on_progress: Callable[[Progress], None],
    ahead: ServerAhead | None = None,
) -> Cell:
    """Run the cell and add it to the store; a server or generator that fails makes it invalid.

    `check` is called often and may raise to stop the cell, which then leaves nothing behind but its logs. `ahead` is
    told when nothing is measured any more, and may have the cell's server already.
    """
    folder = store.scratch(planned.id)
    started_utc = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        outcome = _Measurement(planned, bench, store, folder, check, on_progress, ahead).run()
        cell, tables = judged(planned, outcome, folder, started_utc)
    except (ServerError, GeneratorError, LinkError) as error:
        verdict = Verdict(Validity.INVALID, (str(error),))
        cell, tables = cell_of(planned, verdict, started_utc, failed=_FAILED[type(error)]), {}
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
    on_progress: Callable[[Progress], None]
    ahead: ServerAhead | None

    def run(self) -> CellOutcome:
        """Start a server and measure it; another one if its port was taken before it could listen."""
        attempts_left = _PORT_ATTEMPTS
        while True:
            attempts_left -= 1
            foreign = self.planned.target.foreign
            port = foreign.port if foreign is not None and foreign.port else free_port()
            # What carries packets runs on the generator's cores: on the server's it would count as the server's cost.
            cores, seed = self.bench.cores.generator, self.planned.seed
            with (
                routes.opened(self.planned.link, port, seed=seed, on_cores=cores) as route,
                self._server(port, route) as server,
            ):
                try:
                    return self._measure(server, route)
                except ServerError:
                    # Between finding a free port and listening on it somebody else may take it.
                    if not attempts_left or not server.port_was_taken():
                        raise

    def _server(self, port: int, route: Route) -> Server | ForeignServer:
        if self.planned.link is None:
            route = route_for(self.bench.workers)
        if (foreign := self.planned.target.foreign) is not None:
            log, cores = self.store.log("server", self.planned.id), self.bench.cores.server
            folder, held = self.folder / "server", self.bench.settings.cpu_percent
            return started.opened(foreign, port, route, log=log, folder=folder, on_cores=cores, cpu_percent=held)
        waiting = self.ahead.take(self.planned) if self.ahead is not None else None
        return waiting or start_server(self.planned, self.bench, self.store, port, route)

    def _generator(self, server: Server | ForeignServer) -> Generator:
        return Generator(
            spec_of(self.planned, server, deflate=self.bench.settings.deflate),
            self.folder,
            log=self.store.log("generator", self.planned.id),
            on_cores=self.bench.cores.generator,
            module=self.bench.generator_module if self._workers is None else module_of(self._workers),
        )

    @property
    def _workers(self) -> Workers | None:
        """The bench's; once all were there, nobody has to go and start those from elsewhere."""
        workers, came = self.bench.workers, any(cell.costs is not None for cell in self.store.run.cells)
        return msgspec.structs.replace(workers, patience_s=0.0) if workers is not None and came else workers

    @property
    def _patience_s(self) -> float:
        return self._workers.patience_s if self._workers is not None else 0.0

    def _measure(self, server: Server | ForeignServer, route: Route) -> CellOutcome:
        link = self.planned.link
        # Who connects before the server listens tries again later; of several instances all would take the first.
        server.wait_ready(self.check)
        description, server_cores = server.describe(), procfs.core_count(server.processes())
        found = probe.check(link, route) if link is not None else None
        before = _memory(server)
        with (
            self._generator(server) as generator,
            Sampler(
                server.processes,
                lambda: (*generator.pids, *route.pids),
                self._metrics_of(server),
                server.throttled_ns,
            ) as sampler,
        ):
            held = self._listen(server, generator, sampler)
            result = generator.result()
        if held is None and self.planned.kind == "memory":
            raise GeneratorError("the load generator ended before its connections had settled")
        if self.planned.kind == SCALED:
            tls = server.url.startswith("https:")
            delivered = instances.deliveries(HOST, server.port, server.instances, tls=tls)
            description |= {
                f"deliveries_instance_{rank}": count for rank, count in enumerate(delivered.values(), start=1)
            }
        outcome = CellOutcome(result, tuple(sampler.readings), description, before, held, found)
        outcome = replace(
            outcome,
            generator_cores=max(1, len(self.bench.cores.generator)),
            server_cores=server_cores,
            held_percent=self.bench.settings.cpu_percent,
        )
        if isinstance(server, ForeignServer):
            return replace(outcome, forwards=server.forwards, remarks=server.remarks())
        return outcome

    def _metrics_of(self, server: Server | ForeignServer) -> Callable[[], str | None]:
        """Return what asks for the server's metrics. A held one is not asked: it would stand still for tens of ms."""
        return lambda: _metrics(server) if self.bench.settings.cpu_percent is None else None

    def _listen(self, server: Server | ForeignServer, generator: Generator, sampler: Sampler) -> Memory | None:
        """Follow the generator until it ends, watching the server; return the memory held, in a memory cell."""
        settled_s = math.inf
        held: Memory | None = None
        for reported in generator.progress(_limit_s(self.planned) + self._patience_s):
            self.check()
            for progress in reported:
                if progress.event == "failed":
                    raise generator.failure(said=progress.message)
                if progress.event == "connected" and isinstance(server, ForeignServer):
                    server.all_connected(progress.connected)
                if progress.event == "connected" and self.planned.kind == "memory":
                    settled_s = time.monotonic() + _SETTLED_SHARE * self.planned.hold_s
                if progress.event in MEASURED and self.ahead is not None:
                    sampler.mark()  # what the next server imports is nothing that disturbed this cell
                    self.ahead.start()
                self.on_progress(progress)
            if held is None and time.monotonic() > settled_s:
                held = _memory(server)
            server.check_alive()
        return held


def start_server(
    planned: PlannedCell, bench: Bench, store: RunStore, port: int | None = None, route: Route | None = None
) -> Server:
    """Start one of the lab's own servers for a cell, without waiting for it; without a port on a free one.

    Without a link's `route`, where all generators find it.
    """
    settings = bench.settings.of_target(planned.target).of_cell(planned)
    if planned.stamps:
        settings = settings.stamping(store.scratch(planned.id))
    return Server(
        planned.target.server_name,
        replace(settings, scaling=bench.scaling) if planned.kind == SCALED else settings,
        log=store.log("server", planned.id),
        on_cores=bench.cores.server,
        port=port,
        route=route_for(bench.workers) if route is None else route,
    )


def spec_of(planned: PlannedCell, server: Server | ForeignServer, *, deflate: bool = False) -> CellSpec:
    """Return what the generator is asked for, with tokens that outlive the cell."""
    foreign = planned.target.foreign
    # A Redis or a foreign server outlives the cell: rooms of its own keep an earlier cell's history and members out.
    stem = f"room-{secrets.token_hex(4)}" if foreign is not None or planned.kind == SCALED else "room"
    rooms = tuple(f"{stem}-{index}" for index in range(planned.load.rooms))
    return CellSpec(
        cell=planned.id,
        user_class=planned.target.user_class,
        host=server.url,
        publish_host=server.near_url if planned.link is not None else "",
        load=planned.load,
        tokens=(server.foreign.token,) if isinstance(server, ForeignServer) else _tokens(planned, server, rooms),
        room_names=rooms,
        warm_up_s=planned.warm_up_s,
        measured_s=planned.measured_s,
        connect_timeout_s=_CONNECT_TIMEOUT_S + planned.load.subscribers / _SLOWEST_CONNECTS_PER_S,
        grace_s=planned.grace_s,
        seed=planned.seed,
        hold_s=planned.hold_s,
        adapter=None if foreign is None else foreign.adapter.spoken,
        deflate=deflate or planned.deflate,
        disrupt=planned.disrupt,
        resume=planned.resume,
    )


def _tokens(planned: PlannedCell, server: Server, rooms: Sequence[str]) -> tuple[str, ...]:
    expires_at_s = int(time.time() + _limit_s(planned) + 600)
    secret = server.secret.encode()
    return tuple(sign(secret, f"user-{index}", rooms, expires_at_s) for index in range(planned.users))


def _limit_s(planned: PlannedCell) -> float:
    return planned.measuring_s + _CONNECT_TIMEOUT_S + planned.load.subscribers / _SLOWEST_CONNECTS_PER_S + _SLACK_S


def _memory(server: Server | ForeignServer) -> Memory:
    return Memory(procfs.rss_kib(server.processes()), procfs.tcp_buffers_kib())


def _metrics(server: Server | ForeignServer) -> str | None:
    """Return the server's metrics; None where they can't be had, or are those of one instance among several."""
    if len(server.instances) > 1:
        return None
    try:
        status, body = server.get("/metrics")
    except OSError:
        return None
    return body.decode("utf-8", errors="replace") if status == 200 else None
