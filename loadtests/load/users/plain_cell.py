"""One process's cell of a plain Locust run, made from Locust's options; what it shows in Locust's tables."""

from __future__ import annotations

import logging
import time
from argparse import Namespace

import gevent
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from core.auth import sign
from loadtests.load.clients.base import NotPublished
from loadtests.load.users import setup
from loadtests.load.users.cell import Cell, UserSlot
from loadtests.load.users.locust_tables import PUBLISH
from loadtests.load.users.publisher import KINDS
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.setup import SetUpError
from loadtests.records.cell_spec import CellSpec, Load
from loadtests.records.schema import ABSENT_NS, Value

DEFAULT_OUT = "results/runs"
SECRET_VARIABLE = "RTLAB_SECRET"  # noqa: S105 - the variable's name
REFUSED = "rtlab_refused"  # a worker to its master
_TOKEN_LIFE_S = 24 * 3600
_NUMBERS_PER_WORKER = 1_000_000  # so that users of different workers never share a number

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
    group.add_argument("--rtlab-out", env_var="RTLAB_OUT", default=DEFAULT_OUT, help="folder for shards and run")
    group.add_argument("--no-report", action="store_true", help="leave the shards, and make no report of them")


def settings(options: Namespace) -> dict[str, Value]:
    """Return what was asked for that may move a figure, for the manifest."""
    return {
        "rate_per_s": options.rate,
        "rooms": options.rooms,
        "talkers": options.talkers,
        "payload_bytes": options.payload,
        "arrivals": options.arrivals,
        "poll_interval_s": options.poll_interval,
    }


def show_publications(cell: Cell, before_ns: int) -> None:
    """Let Locust count each publication once: when it was accepted, or as failed if it was due before `before_ns`."""
    now_ns = time.monotonic_ns()
    for publications in cell.recorder.publications:
        for due_ns, accepted_ns in publications.settled(before_ns):
            if accepted_ns != ABSENT_NS:
                cell.reporter.published((accepted_ns - due_ns) / 1e6, publications.row)
            else:
                waited_ms = (now_ns - due_ns) / 1e6
                cell.reporter.failed(PUBLISH, NotPublished("no answer"), publications.row, waited_ms)


def open_cell(environment: Environment, options: Namespace, worker: int) -> Cell:
    """Make this process's cell from Locust's options; raises SetUpError, or ValueError for a bad host or schedule."""
    secret = setup.secret(SECRET_VARIABLE)
    load = _load(options)
    classes = room_users(environment)
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
        environment.runner.send_message(REFUSED, why)  # type: ignore[arg-type]  # any value goes


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


def room_users(environment: Environment) -> list[type[RoomUser]]:
    return [user_class for user_class in environment.user_classes if issubclass(user_class, RoomUser)]
