"""`rtlab run storm`: which storms there are, in which order, and what is said of them."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from loadtests.evidence.storm.storming import RATE_PER_S, ROOM_MEMBERS, Asked, Storming
from loadtests.load.clients import sockets
from loadtests.load.clients.base import ClientError
from loadtests.records import storm as records
from loadtests.records.errors import Interrupted, LabError, UsageError
from loadtests.records.schema import Value
from loadtests.records.store import RunStore
from loadtests.records.storm import DRAIN, KILL, ROLLING, Storm, Storms
from loadtests.report import storm as report
from loadtests.report.conclude import INTERRUPTED, OK, SOME_INVALID
from loadtests.run import experiment, instances, manifest, targets
from loadtests.run.own_redis import find_redis, redis_server
from loadtests.run.process import Cores, available_cores, divide_cores, interruptible, running_on
from loadtests.run.servers import ServerSettings

CLIENTS = 2000
RATIOS = (0.5, 1.0, 4.0)  # W / W*
_DEFAULT_TRANSPORTS = ("websocket", "sse")
_REPEATS = 3  # with --full
_SPARE_FILES = 400  # beside those of the clients, who are half as many again at a kill
_NO_REDIS = (
    "a storm needs a Redis, as rooms that die with their instance have nothing to replay: install redis-server or "
    "valkey-server, or give --redis URL"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for; None leaves the choice to the lab."""

    runs_folder: Path
    full: bool = False
    transports: str | None = None
    redis_url: str | None = None
    seed: int | None = None
    tls: bool = False
    clients: int = CLIENTS


def storm(request: Request) -> int:
    """Carry out the storms, print and write what they found; return the exit code. Raises LabError."""
    names = request.transports.split(",") if request.transports else _DEFAULT_TRANSPORTS
    chosen = targets.TARGETS if request.full and not request.transports else targets.select(names)
    if request.tls:
        chosen = tuple(replace(each, tls=True) for each in chosen)
    _require_files(request.clients)
    began_s = time.monotonic()
    cores = divide_cores(available_cores())
    with _redis(request.redis_url, cores) as (url, pid):
        seed = secrets.randbelow(2**32) if request.seed is None else request.seed
        settings = ServerSettings(tls=request.tls)
        store, document = _store(request, settings, seed)
        storms: list[Storm] = []
        with interruptible() as check, running_on(cores.generator):
            asked = [
                Asked(
                    target=target, kind=kind, repeat=repeat, clients=request.clients, window_ratio=0.0, window_s=0.0,
                    seed=seed, settings=settings, redis_url=url, redis_pid=pid, cores=cores, folder=store.folder,
                )
                for repeat in range(_REPEATS if request.full else 1)
                for target in chosen
                for kind in ((KILL, DRAIN, ROLLING) if request.full else (KILL, ROLLING))
            ]  # fmt: skip
            note = _all(asked, check, storms)
    document = msgspec.structs.replace(document, storms=tuple(storms))
    records.write(store.folder, document)
    store.update(elapsed_s=time.monotonic() - began_s, note=note)
    store.finish()
    return _said(document, store.folder, note)


def _all(asked: Sequence[Asked], check: Callable[[], None], storms: list[Storm]) -> str:
    """Carry out each with every window; return why the run is incomplete, empty if it is not."""
    total, failed = len(asked) * (1 + len(RATIOS)), []
    for number, first in enumerate(asked):
        least_s = 0.0
        for step, ratio in enumerate((0.0, *RATIOS)):
            planned = replace(first, window_ratio=ratio, window_s=ratio * least_s)
            print(f"{number * (1 + len(RATIOS)) + step + 1}/{total} {_words(planned)}: ", end="", flush=True)
            try:
                done = Storming(planned, check).run()
            except Interrupted as reason:
                print("stopped", flush=True)
                return f"{reason} after {len(storms)} of {total} storms"
            except (LabError, ClientError, OSError, psutil.Error) as error:  # the others are not to suffer for it
                print(error, flush=True)
                failed.append(planned.name)
                if not ratio:
                    break
                continue
            storms.append(done)
            if not ratio:
                least_s = done.cuts[0].back_100_s  # W* of one instance's clients; a second restart cuts all
            print(", then ".join(f"{cut.clients} back in {cut.back_100_s:.2f} s" for cut in done.cuts), flush=True)
    return f"failed: {', '.join(failed)}" if failed else ""


def _words(asked: Asked) -> str:
    how = f"W = {asked.window_ratio:g} W* = {asked.window_s:.2f} s" if asked.window_ratio else "u"
    return f"{asked.target.name}, {asked.kind}, {how}"


def _said(document: Storms, folder: Path, note: str) -> int:
    print(f"\n{report.render_text(document)}")
    if said := report.sentence(document):
        print(f"\n{said}")
    print(f"\nstorms: {folder / records.FILE}")
    if note:
        print(f"rtlab: incomplete: {note}", file=sys.stderr)
    if note and not note.startswith("failed"):
        return INTERRUPTED
    return SOME_INVALID if note or report.offences(document) else OK


def _require_files(clients: int) -> None:
    """Raise the limit of open files, which servers inherit. Raises LabError where it is too low."""
    if complaint := sockets.too_few_files(clients + clients // 2, _SPARE_FILES):
        raise LabError(complaint)


@contextmanager
def _redis(url: str | None, cores: Cores) -> Iterator[tuple[str, int]]:
    """A Redis's URL, and its pid if the lab started it, else 0. Raises LabError."""
    if url is not None:
        if instances.asked(url, None) is None:
            raise UsageError(f"--redis {url}: give a URL")
        instances.require_redis(url)
        yield url, 0
        return
    if find_redis() is None:
        raise LabError(_NO_REDIS)
    with redis_server(cores.generator) as own:
        yield own.url, own.pid


def _store(request: Request, settings: ServerSettings, seed: int) -> tuple[RunStore, Storms]:
    recorded: dict[str, Value] = {**settings.recorded(), "clients": request.clients, "tls": request.tls}
    environment = manifest.collect(recorded, seed)
    store = RunStore.create(request.runs_folder, experiment.new_run("storm", environment, 0))
    document = Storms(
        run_id=store.run.run_id,
        commit=manifest.short_commit(environment["git"]),
        clients=request.clients,
        rooms=-(-request.clients // ROOM_MEMBERS),
        rate_per_s=RATE_PER_S,
        redis="the lab's own" if request.redis_url is None else instances.without_credentials(request.redis_url),
        storms=(),
        machine=manifest.machine(),
    )
    return store, document
