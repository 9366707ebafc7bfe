"""A Locust worker's part in a cell of the lab: a share of its users. All begin together; results go to the master.

The master (`cell_master`) asks who is there, deals out the shares just before Locust spawns the users, and says when to
begin. A worker that the lab forked ends with its master. One that was started as `locust --worker` stays for the next
cell, whose master is another process at the same address.
"""

from __future__ import annotations

import gc
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import gevent
import msgspec
from gevent.event import AsyncResult
from locust import __version__ as locust_version
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_INIT, WorkerRunner

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users import kernel_calls
from loadtests.load.users.generator import cell_in, count_users, leave, slots_of
from loadtests.load.users.measurement import Failed, Measurement, begin_soon
from loadtests.load.users.transports import load_user_class
from loadtests.records.cell_spec import CellSpec, Progress, Share
from loadtests.records.errors import RunError

WHO, SHARE, BEGIN, ABORT, PONG = "rtlab_who", "rtlab_share", "rtlab_begin", "rtlab_abort", "rtlab_pong"
"""What the master sends: who are you? - your share of the cell; begin at this instant; leave it; my clock was then."""
HERE, SAID, LEFT, PING = "rtlab_here", "rtlab_said", "rtlab_left", "rtlab_ping"
"""What a worker sends: who it is; its progress; the files that it leaves; what does your clock say?"""

EXCHANGES = "exchanges.json"
"""A file that a worker leaves: (sent, the master's clock, answered) of each question, in ns."""


def _versions() -> str:
    try:
        return f"rtlab {version('rtlab')}, Locust {locust_version}"
    except PackageNotFoundError:
        return f"Locust {locust_version}"


VERSIONS = _versions()

_BEGIN_S = 120.0  # all others have connected by then, or the master is gone
_UNKNOWN_S = 2.5  # a master answers a worker's heartbeat each second; one that does not has never met it
_LOOK_S = 0.5
_PORT_BYTES = 16
_PING_S = 0.05


class CellWorker:
    """Takes part in every cell that a master of the lab deals a share of to this process."""

    def __init__(self, environment: Environment) -> None:
        """Listen to the master."""
        assert isinstance(environment.runner, WorkerRunner)
        self.busy = False  # from a share to its end
        self._environment = environment
        self._runner = environment.runner
        self._own_classes = list(environment.user_classes)
        self._measurement: Measurement | None = None
        self._begun = AsyncResult()
        self._asked = False
        self._exchanges: list[tuple[int, int, int]] = []
        listeners: dict[str, Callable[..., None]] = {
            WHO: self._introduce,
            SHARE: self._take,
            BEGIN: self._begin,
            ABORT: self._abort,
            PONG: self._pong,
        }
        for name, listener in listeners.items():
            self._runner.register_message(name, listener)
        self._runner.greenlet.spawn(self._announce)

    def _introduce(self, **_: object) -> None:
        self._asked = True
        me = {"pid": os.getpid(), "host": platform.node(), "clock": OUR_CLOCK, "versions": VERSIONS}
        self._runner.send_message(HERE, me)

    def _announce(self) -> None:
        """Between cells: tell a master that does not know us that we are here, as Locust does once, when it starts."""
        while True:
            gevent.sleep(_LOOK_S)
            heard_s = self._runner.last_heartbeat_timestamp or 0.0
            if self._asked and not self.busy and time.time() - heard_s > _UNKNOWN_S:
                self._runner.send_message("client_ready", locust_version)  # type: ignore[arg-type]  # any value goes

    def _take(self, msg: Message, **_: object) -> None:
        """Open the share's cell; Locust spawns its users next."""
        self.busy, self._begun = True, AsyncResult()
        try:
            spec = msgspec.json.decode(msg.data["spec"], type=CellSpec)
            share = Share(msg.data["worker"], msg.data["workers"])
            self._environment.user_classes = [load_user_class(spec.user_class)]
            cell = cell_in(self._environment, spec, slots_of(spec, share))
        except (OSError, ValueError) as error:
            said = f"the share can't be opened (is this another commit of the lab?): {error}"
            self._say(Progress(event="failed", message=said))
            gevent.spawn(self._give_up)
            return
        self._measurement = Measurement(cell, count_users(spec, share), self._say, self._begins_ns)
        self._exchanges = []
        if msg.data["clock"] not in ("", OUR_CLOCK):
            gevent.spawn(self._ping)
        gevent.spawn(self._measure, self._measurement)

    def _ping(self) -> None:
        """Ask the master for its clock, over the whole cell: the quickest answers bound the offset best."""
        while self.busy:
            self._runner.send_message(PING, {"sent_ns": time.monotonic_ns()})
            gevent.sleep(_PING_S)

    def _pong(self, msg: Message, **_: object) -> None:
        self._exchanges.append((msg.data["sent_ns"], msg.data["read_ns"], time.monotonic_ns()))

    def _begin(self, msg: Message, **_: object) -> None:
        self._begun.set(msg.data)

    def _abort(self, **_: object) -> None:
        if self._measurement is not None:
            self._measurement.stop("the master has given the cell up")
        self._begun.set(None)

    def _begins_ns(self) -> int:
        """Wait for the master's word; where its clock is another, and was not asked for, begin when the word comes."""
        try:
            order = self._begun.get(timeout=_BEGIN_S)
        except gevent.Timeout:
            order = None
        if order is None:
            raise Failed("the master gave no word to begin")
        if order["clock"] == OUR_CLOCK:
            return int(order["at_ns"])
        if not self._exchanges:
            return begin_soon()
        sent_ns, read_ns, answered_ns = min(self._exchanges, key=lambda each: each[2] - each[0])
        return int(order["at_ns"]) - (read_ns - (sent_ns + answered_ns) // 2)

    def _measure(self, measurement: Measurement) -> None:
        try:
            self._measured(measurement)
        finally:
            self._end()

    def _measured(self, measurement: Measurement) -> None:
        try:
            measurement.run()
            failure = ""
        except Failed as error:
            failure = str(error)
        self._runner.stop()
        measurement.cell.close()
        self._measurement = None
        gc.unfreeze()
        gc.enable()
        try:
            files = _files(measurement) if not failure else {}
            files[EXCHANGES] = msgspec.json.encode(self._exchanges)
        except (OSError, RunError) as error:
            failure = str(error)
        if failure:
            self._say(Progress(event="failed", message=failure))
        else:
            self._runner.send_message(LEFT, files)

    def _give_up(self) -> None:
        """Wait for the master to give the cell up too: until then Locust may spawn users of a share not opened."""
        self._begun.wait(timeout=_BEGIN_S)
        self._end()

    def _end(self) -> None:
        """Be ready for the next cell."""
        self._runner.stop()
        self._environment.user_classes = self._own_classes
        self._runner.worker_state = STATE_INIT
        self.busy = False

    def _say(self, progress: Progress) -> None:
        self._runner.send_message(SAID, msgspec.to_builtins(progress))


def _files(measurement: Measurement) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        leave(measurement, Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def serve(master_host: str, number: int, leash: int) -> int:
    """Be the `number`-th worker that a master forked; `leash` tells the master's port, and closes when it ends."""
    port = os.read(leash, _PORT_BYTES)
    if not port:
        return 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the lab reads the master's standard output until all have closed it
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
    kernel_calls.shorten_slices()
    ended = gevent.get_hub().loop.io(leash, 1)
    ended.start(os._exit, 0)
    environment = Environment(user_classes=[])
    runner = environment.create_worker_runner(master_host, int(port))
    CellWorker(environment)
    runner.greenlet.join()
    return 0
