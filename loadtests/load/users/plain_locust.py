"""Plain Locust: the same users under `locust -f loadtests/locustfile.py`, web UI and `--worker` included.

Every user listens; the first ones of each room also publish. Tokens are signed here with RTLAB_SECRET, as in servers.
Each process that runs users writes its own shard: `<--rtlab-out>/<UTC>-<host>-<pid>/` holds what the generator leaves.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

import gevent
import msgspec
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from core.auth import sign
from loadtests.load.clients.base import NotPublished
from loadtests.load.users import locust_tables, setup
from loadtests.load.users.cell import FOREVER_NS, Cell, UserSlot, attach, cell_of
from loadtests.load.users.health import GeneratorHealth
from loadtests.load.users.locust_tables import ForeignClockCount
from loadtests.load.users.publisher import KINDS, NS_PER_S
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.setup import SetUpError
from loadtests.records import notes
from loadtests.records.cell_spec import CellSpec, Load

DEFAULT_OUT = "results/runs/locust"
SECRET_VARIABLE = "RTLAB_SECRET"  # noqa: S105 - the variable's name
_TOKEN_LIFE_S = 24 * 3600
_NUMBERS_PER_WORKER = 1_000_000  # so that users of different workers never share a number
_LEAD_NS = 100_000_000
_PATIENCE_NS = 5 * NS_PER_S  # a publication without an answer for so long is a failure in Locust's tables
_REFUSED = "rtlab_refused"  # a worker to its master

logger = logging.getLogger("rtlab")


def add_options(parser: LocustArgumentParser) -> None:
    """Add the lab's options to Locust's own; each can come from the environment too."""
    group = parser.add_argument_group("Realtime Transport Lab")
    group.add_argument("--room", env_var="RTLAB_ROOM", default="lobby", help="room; with --rooms N: its prefix")
    group.add_argument("--rooms", env_var="RTLAB_ROOMS", type=int, default=1, help="spread users over so many rooms")
    group.add_argument("--rate", env_var="RTLAB_PUBLISH_RATE", type=float, default=10.0, help="messages/s and room")
    group.add_argument("--talkers", env_var="RTLAB_TALKERS", type=int, default=1, help="publishing users per room")
    group.add_argument("--payload", env_var="RTLAB_PAYLOAD", type=int, default=128, help="bytes of a message's content")
    group.add_argument("--arrivals", env_var="RTLAB_ARRIVALS", default="constant", choices=KINDS, help="schedule")
    group.add_argument("--poll-interval", env_var="RTLAB_POLL_INTERVAL", type=float, default=1.0, help="short poll, s")
    group.add_argument("--seed", env_var="RTLAB_SEED", type=int, default=1, help="of Poisson arrivals and jitter")
    group.add_argument("--rtlab-out", env_var="RTLAB_OUT", default=DEFAULT_OUT, help="folder for the raw samples")


class PlainRun:
    """One process's part in a plain Locust run, from `test_start` to `test_stop`; may be started again."""

    def __init__(self, environment: Environment) -> None:
        """Hook into the environment's events; nothing is opened before the test starts."""
        # Locust's --run-time counts from the hub's last look at the clock, which was before seconds of imports.
        gevent.get_hub().loop.update_now()
        self._health: GeneratorHealth | None = None
        self._from_ns = 0
        self._foreign_clock = ForeignClockCount(environment)
        events = environment.events
        for hook, listener in (
            (events.test_start, self._start),
            (events.spawning_complete, self._spawned),
            (events.test_stopping, self._stopping),
            (events.test_stop, self._stop),
            (events.quitting, self._quit),
            (events.quit, self._end),
        ):
            hook.add_listener(listener)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_REFUSED, self._refused)

    def _start(self, environment: Environment, **_: object) -> None:
        locust_tables.install(environment, [user_class.__name__ for user_class in _room_users(environment)])
        runner = environment.runner
        self._foreign_clock.begin(None)
        if isinstance(runner, MasterRunner):
            return
        assert environment.parsed_options is not None
        try:
            setup.check_folder(Path(environment.parsed_options.rtlab_out))
            cell = open_cell(environment, environment.parsed_options, setup.worker_number(runner))
        except (SetUpError, ValueError) as error:
            refuse(environment, f"cannot start: {error}")
            raise SystemExit(2) from error
        cell.succession.open = True
        attach(environment, cell)
        self._foreign_clock.begin(cell.recorder)
        self._health = GeneratorHealth(cell, lambda: show_unanswered(cell, _PATIENCE_NS))
        self._health.start()
        self._from_ns = time.monotonic_ns()
        cell.begin(self._from_ns + _LEAD_NS, FOREVER_NS)

    def _spawned(self, **_: object) -> None:
        if self._health is not None:
            # As in the generator: collections of so many objects would pause the reader for milliseconds.
            gc.freeze()
            gc.disable()

    def _stopping(self, environment: Environment, **_: object) -> None:
        if self._health is not None:
            cell = cell_of(environment)
            cell.succession.open = False  # all users stop: none takes a publisher over
            show_unanswered(cell, int(cell.spec.grace_s * NS_PER_S))

    def _refused(self, environment: Environment, msg: Message, **_: object) -> None:
        """End the run: a worker cannot do its part, so the load would not be the one that was asked for."""
        logger.error("worker %s: %s", msg.node_id, msg.data)
        environment.process_exit_code = 2
        if environment.runner is not None:
            gevent.spawn(environment.runner.quit)

    def _stop(self, environment: Environment, **_: object) -> None:
        gc.enable()
        if self._health is None:
            return
        cell = cell_of(environment)
        cell.close()
        assert environment.parsed_options is not None
        folder = write_shard(Path(environment.parsed_options.rtlab_out), cell, self._health, self._from_ns)
        self._health = None
        logger.info("%d deliveries recorded in %s", cell.recorder.deliveries, folder)
        for text, count in notes.most(cell.errors).items():
            logger.warning("%d x %s", count, text)

    def _quit(self, environment: Environment, **_: object) -> None:
        runner = environment.runner
        is_worker = runner is not None and hasattr(runner, "master_host")
        if is_worker:
            return
        if environment.process_exit_code is None and not locust_tables.count_deliveries(environment):
            if self._foreign_clock.count:
                logger.error("no latency was measured: no user's clock is the one that stamped the publications")
            else:
                logger.error("nothing was received: no delivery reached any user")
            environment.process_exit_code = 1

    def _end(self, **_: object) -> None:
        # Only now have the workers sent their last counts.
        if self._foreign_clock.count:
            logger.warning(
                "%d deliveries have no latency: the clock that stamped their publication is not their receiver's "
                "(another host or time namespace); they are in the samples, and in no latency shown here",
                self._foreign_clock.count,
            )


def show_unanswered(cell: Cell, patience_ns: int) -> None:
    """Let Locust count as failures the publications without an answer after `patience_ns`; each only once."""
    now_ns = time.monotonic_ns()
    for publications in cell.recorder.publications:
        for due_ns in publications.overdue(now_ns - patience_ns):
            cell.reporter.failed("publish", NotPublished("no answer"), waited_ms=(now_ns - due_ns) / 1e6)


def open_cell(environment: Environment, options: Namespace, worker: int) -> Cell:
    """Make this process's cell from Locust's options; raises SetUpError, or ValueError for a bad host or schedule."""
    secret = setup.secret(SECRET_VARIABLE)
    load = _load(options)
    classes = _room_users(environment)
    setup.check_tasks(classes)
    host = setup.check_hosts(classes, environment.host)
    publishers = load.rooms * load.publishers
    alone = not isinstance(environment.runner, WorkerRunner)
    if alone and (complaint := setup.too_many(options.num_users or 0, publishers)):
        raise SetUpError(complaint)
    most = setup.most_users(publishers)
    rooms = (options.room,) if load.rooms == 1 else tuple(f"{options.room}-{room}" for room in range(load.rooms))
    expires_at_s = time.time() + _TOKEN_LIFE_S

    def slot_of(number: int) -> UserSlot:
        runner = environment.runner
        if most is not None and runner is not None and runner.user_count >= most and not environment.process_exit_code:
            # A shape, the web UI or a master asks for users whose number was unknown at the start.
            refuse(environment, setup.too_many(runner.user_count + 1, publishers))
            cell.full = True
            gevent.spawn(runner.quit)
        publishes = load.rate_per_s and worker == 0 and number < publishers
        return UserSlot(worker * _NUMBERS_PER_WORKER + number, number % load.rooms, True, number if publishes else -1)

    def token_for(slot: UserSlot) -> str:
        return sign(secret, f"user-{slot.number}", [rooms[slot.room]], expires_at_s)

    names = [user_class.__name__ for user_class in classes]
    spec = CellSpec(
        cell=f"locust-{worker}",
        user_class=names[0] if len(names) == 1 else "RoomUser",
        host=host,
        load=load,
        tokens=(),
        room_names=rooms,
        connects_per_s=float("inf"),  # Locust's spawn rate paces
        seed=options.seed,
    )
    cell = Cell(spec, environment, slot_of=slot_of, token_for=token_for, own_hosts=True)
    return cell


def refuse(environment: Environment, why: str) -> None:
    """Say why the run cannot go on, to the master too, and let it exit with 2."""
    logger.error("%s", why)
    environment.process_exit_code = 2
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.send_message(_REFUSED, why)  # type: ignore[arg-type]  # any value goes


def write_shard(parent: Path, cell: Cell, health: GeneratorHealth, from_ns: int) -> Path:
    """Write what this process recorded into a folder of its own; returns it."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    folder = parent / f"{now}-{socket.gethostname()}-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    to_ns = time.monotonic_ns()
    cell.recorder.write(folder, from_ns, to_ns)
    result = health.result(from_ns, to_ns, until_ns=to_ns)
    # What was due in the last moments has had no time to be answered.
    _, unanswered = cell.recorder.failed(from_ns, to_ns - int(cell.spec.grace_s * NS_PER_S))
    cpu_s = sum(second.cpu_percent for second in result.seconds) / 100
    result = msgspec.structs.replace(result, cpu_s=cpu_s, unanswered=unanswered)
    (folder / "generator.json").write_bytes(msgspec.json.encode(result))
    return folder


def _load(options: Namespace) -> Load:
    rules = (
        (options.rooms >= 1, f"--rooms {options.rooms}: expected 1 or more"),
        (options.rate >= 0, f"--rate {options.rate}: expected 0 or more"),
        (options.talkers >= 1, f"--talkers {options.talkers}: expected 1 or more"),
        (1 <= options.payload <= 4096, f"--payload {options.payload}: expected 1 to 4096"),
        (options.poll_interval > 0, f"--poll-interval {options.poll_interval}: expected more than 0"),
    )
    for holds, complaint in rules:
        if not holds:
            raise SetUpError(complaint)
    return Load(
        name="locust",
        subscribers=1,
        rate_per_s=options.rate,
        rooms=options.rooms,
        publishers=options.talkers,
        payload_bytes=options.payload,
        arrivals=options.arrivals,
        poll_interval_s=options.poll_interval,
    )


def _room_users(environment: Environment) -> list[type[RoomUser]]:
    return [user_class for user_class in environment.user_classes if issubclass(user_class, RoomUser)]
