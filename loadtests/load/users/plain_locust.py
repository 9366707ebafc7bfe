"""Plain Locust: the same users under `locust -f loadtests/locustfile.py`, web UI and `--worker` included.

Every user listens; the first ones of each room also publish. Tokens are signed here with RTLAB_SECRET, as in servers.
Each process that runs users writes its own shard (`loadtests.records.shard`); the master, or the only process, has
`rtlab report` make one run of them.
"""

from __future__ import annotations

import gc
import logging
import time
from pathlib import Path

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from loadtests.load.users import locust_tables, setup, shard, web_tab
from loadtests.load.users.cell import FOREVER_NS, Cell, attach, cell_of
from loadtests.load.users.cell_worker import CellWorker
from loadtests.load.users.gathering import Gathering
from loadtests.load.users.health import GeneratorHealth
from loadtests.load.users.locust_tables import ForeignClockCount
from loadtests.load.users.plain_cell import REFUSED, open_cell, refuse, room_users, settings, show_publications
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.run_report import RunReport
from loadtests.load.users.setup import SetUpError
from loadtests.records import notes
from loadtests.records.errors import RunError
from loadtests.records.schema import Manifest
from loadtests.records.shard import Shard

_LEAD_NS = 100_000_000
_PATIENCE_NS = 5 * NS_PER_S  # a publication without an answer for so long is a failure in Locust's tables

logger = logging.getLogger("rtlab")


class PlainRun:
    """One process's part in a plain Locust run, from `test_start` to `test_stop`; may be started again."""

    def __init__(self, environment: Environment, manifest: Manifest) -> None:
        """Hook into the environment's events; nothing is opened before the test starts.

        `manifest` says where the run takes place, without its settings and seed, which a test may change.
        """
        # Locust's --run-time counts from the hub's last look at the clock, which was before seconds of imports.
        gevent.get_hub().loop.update_now()
        self._environment = environment
        self._health: GeneratorHealth | None = None
        self._manifest = manifest
        self._from_ns = self._to_ns = 0
        self._writing: gevent.Greenlet | None = None
        self._shard: Shard | None = None
        # A master of the lab may want it for a cell: the worker is the lab's then, and no plain run is on.
        self._of_the_lab = CellWorker(environment) if isinstance(environment.runner, WorkerRunner) else None
        self._gathering = Gathering(environment)
        self._report = RunReport(environment, self._gathering)
        web_tab.add(environment, self._report)
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
            environment.runner.register_message(REFUSED, self._refused)

    def _start(self, environment: Environment, **_: object) -> None:
        if self._of_the_lab is not None and self._of_the_lab.busy:
            return
        locust_tables.install(environment, [user_class.__name__ for user_class in room_users(environment)])
        runner = environment.runner
        self._foreign_clock.begin(None)
        options = environment.parsed_options
        assert options is not None
        manifest = self._manifest | {"settings": settings(options), "random": {"seed": options.seed}}
        self._gathering.begin(str(manifest["git"]["commit"] or "nogit")[:7])
        self._report.due = not options.no_report
        if isinstance(runner, MasterRunner):
            return
        worker = setup.worker_number(runner)
        try:
            setup.check_folder(Path(options.rtlab_out))
            cell = open_cell(environment, options, worker)
        except (SetUpError, ValueError) as error:
            refuse(environment, f"cannot start: {error}")
            raise SystemExit(2) from error
        cell.succession.open = True
        attach(environment, cell)
        self._foreign_clock.begin(cell.recorder)
        self._health = GeneratorHealth(cell, lambda: show_publications(cell, time.monotonic_ns() - _PATIENCE_NS))
        self._health.start()
        self._folder = self._gathering.folder(Path(options.rtlab_out))
        self._shard = shard.begun(self._gathering, worker, cell, manifest)
        self._from_ns = time.monotonic_ns()
        cell.begin(self._from_ns + _LEAD_NS, FOREVER_NS)

    def _spawned(self, **_: object) -> None:
        if self._health is not None:
            if self._environment.reset_stats:  # what Locust forgets now is no part of the report either
                self._from_ns = time.monotonic_ns()
                cell_of(self._environment).reporter.forget()
            # As in the generator: collections of so many objects would pause the reader for milliseconds.
            gc.freeze()
            gc.disable()

    def _stopping(self, environment: Environment, **_: object) -> None:
        if self._health is not None:
            cell = cell_of(environment)
            cell.succession.open = False  # all users stop: none takes a publisher over
            grace_ns = int(cell.spec.grace_s * NS_PER_S)
            # What was due in the last moments has had no time to be answered; and Locust, which looks up who stopped
            # it, has kept the hub from its work for a while.
            self._to_ns = time.monotonic_ns() - grace_ns
            show_publications(cell, self._to_ns)

    def _refused(self, environment: Environment, msg: Message, **_: object) -> None:
        """End the run: a worker cannot do its part, so the load would not be the one that was asked for."""
        logger.error("worker %s: %s", msg.node_id, msg.data)
        environment.process_exit_code = 2
        if environment.runner is not None:
            gevent.spawn(environment.runner.quit)

    def _stop(self, environment: Environment, **_: object) -> None:
        gc.enable()
        if self._health is not None and self._shard is not None:
            cell = cell_of(environment)
            cell.close()
            show_publications(cell, self._to_ns)
            # Afterwards: a worker sends its last counts first, and its master does not wait for them long.
            self._writing = gevent.spawn(self._write, cell, self._health, self._shard)
            self._health = None
        if environment.web_ui is not None:  # headless, Locust's own tables come first
            gevent.spawn(self._report.make)
        else:
            self._gathering.finish()

    def _write(self, cell: Cell, health: GeneratorHealth, begun: Shard) -> None:
        try:
            shard.write(self._folder, cell, health, (self._from_ns, self._to_ns), begun)
        except (OSError, RunError) as error:
            logger.error("what was recorded is lost: %s", error)
            return
        logger.info("%d deliveries recorded in %s", cell.recorder.deliveries, self._folder)
        for text, count in notes.most(cell.errors).items():
            logger.warning("%d x %s", count, text)

    def _quit(self, environment: Environment, **_: object) -> None:
        runner = environment.runner
        if self._writing is not None:
            self._writing.join()
        if isinstance(runner, WorkerRunner):
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
        self._report.make()
