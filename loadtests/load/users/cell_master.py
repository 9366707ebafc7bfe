"""The Locust master of one cell: forks workers, awaits those from elsewhere, lets all begin at once, joins the results.

`python -m loadtests.load.users.cell_master WORKERS SPEC.json OUT_DIR` does with several processes what
`loadtests.load.users.generator` does with one, and leaves the same. WORKERS is a `Workers` as JSON. Exit codes: 0 done,
1 nothing could be measured, 2 bad arguments, 128 + N after signal N.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import time
from pathlib import Path

import gevent
import msgspec
from gevent.event import Event
from gevent.monkey import get_original
from gevent.os import fork_gevent
from locust import User
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import STATE_INIT, MasterRunner, WorkerNode

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users import cell_worker, joined
from loadtests.load.users.cell_member import Member
from loadtests.load.users.cell_worker import ABORT, BEGIN, HERE, LEFT, PING, PONG, SAID, SHARE, VERSIONS, WHO
from loadtests.load.users.generator import count_users, report
from loadtests.load.users.measurement import Failed
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.setup import read_spec
from loadtests.load.users.transports import load_user_class
from loadtests.records.cell_spec import CellSpec, Progress, Share, Workers
from loadtests.records.errors import RunError

_waitpid = get_original("os", "waitpid")  # gevent's own would wait for its hub's view of the child
_LEAD_NS = 200_000_000  # from the word to begin to the first publication
_LOOK_S = 0.02
_ASK_S = 0.1
_COME_S = 30.0
_FLUSH_S = 0.05


class CellMaster:
    """One cell, from the first worker's arrival to the joined result."""

    def __init__(self, spec: CellSpec, workers: Workers, children: list[int], out_dir: Path) -> None:
        """Open the master's socket; `children` are the pids of the workers that this process forked."""
        self.interrupted = 0  # by which signal
        self._spec, self._workers, self._out_dir = spec, workers, out_dir
        self._children = children
        self._members: dict[str, Member] = {}
        self._news = Event()
        self._failure = ""
        user_class = load_user_class(spec.user_class)
        environment = Environment(user_classes=[user_class], host=spec.host, dispatcher_class=self._dealing())
        self.runner: MasterRunner = environment.create_master_runner(workers.bind_host, workers.port)
        environment.events.heartbeat_sent.add_listener(self._ask)  # type: ignore[no-untyped-call]
        for name, listener in ((HERE, self._greet), (SAID, self._hear), (LEFT, self._keep), (PING, self._pong)):
            self.runner.register_message(name, listener)

    @property
    def port(self) -> int:
        """Where workers connect."""
        return int(self.runner.server.port)

    def run(self) -> None:
        """Measure; raises Failed, RunError."""
        users = count_users(self._spec)
        report(Progress(event="connecting", message=f"{users} users", pids=tuple(self._children)))
        self._gather()
        gevent.spawn(self._start, users).link_exception(self._broke)
        begins_ns = 0
        for event in ("connected", "held") if self._spec.hold_s else ("connected", "measuring", "over"):
            self._await(event)
            self._say(event)
            if event == "connected":
                begins_ns = time.monotonic_ns() + _LEAD_NS
                self.runner.send_message(BEGIN, {"at_ns": begins_ns, "clock": OUR_CLOCK})
        while not all(member.folder for member in self._members.values()):
            self._look()
        members = sorted(self._members.values(), key=lambda member: member.number)
        folders = {member.name: member.folder for member in members if member.folder is not None}
        own_clock = {member.name for member in members if member.clock == OUR_CLOCK}
        elsewhere = {member.name for member in members if member.forked < 0}
        window_ns = self._window_ns(begins_ns)
        joined.join(folders, self._out_dir, own_clock=own_clock, window_ns=window_ns, elsewhere=elsewhere)
        self._say("done")

    def stop(self, number: int) -> None:
        """Give the cell up because of a signal."""
        self.interrupted = self.interrupted or number
        self._failure = self._failure or f"interrupted by {signal.Signals(number).name}"
        self._news.set()

    def close(self) -> None:
        """End the workers of this process; let the others go."""
        self.runner.send_message(ABORT)
        gevent.sleep(_FLUSH_S)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            _waitpid(pid, 0)

    def _window_ns(self, begins_ns: int) -> tuple[int, int]:
        """Return the measured phase of a cell that began then."""
        spec = self._spec
        from_ns = begins_ns + (0 if spec.hold_s else int(spec.warm_up_s * NS_PER_S))
        return from_ns, from_ns + int((spec.hold_s or spec.measured_s) * NS_PER_S)

    def _gather(self) -> None:
        """Ask all who connect who they are, until all are here."""
        wanted = self._workers.here + self._workers.elsewhere
        limit_s = _COME_S + self._workers.patience_s
        until_s = time.monotonic() + limit_s
        while len(self._members) < wanted:
            if time.monotonic() > until_s:
                came = "; ".join(f"pid {each.pid} on {each.host}" for each in self._members.values()) or "nobody"
                raise Failed(f"{len(self._members)} of {wanted} workers came within {limit_s:.0f} s: {came}")
            for client_id in set(self.runner.clients) - set(self._members):
                self.runner.send_message(WHO, client_id=client_id)
            self._look(_ASK_S)

    def _ask(self, client_id: str, **_: object) -> None:
        """Let a worker that has come too late know that masters of the lab are here: the next one may need it."""
        if client_id not in self._members:
            self.runner.send_message(WHO, client_id=client_id)

    def _greet(self, msg: Message, **_: object) -> None:
        me = msg.data
        ours = me["host"] == platform.node() and me["pid"] in self._children
        forked = self._children.index(me["pid"]) if ours else -1
        if not ours and len([m for m in self._members.values() if m.forked < 0]) >= self._workers.elsewhere:
            return  # one too many: it stays connected, for the next cell, and gets no users
        if me["versions"] != VERSIONS:
            self._failure = f"the worker on {me['host']} has {me['versions']}; the master has {VERSIONS}"
        self._members.setdefault(msg.node_id, Member(msg.node_id, me["pid"], me["host"], me["clock"], forked))
        self._news.set()

    def _start(self, users: int) -> None:
        self.runner.start(users, spawn_rate=users)
        self.runner.update_state(STATE_INIT)  # while it runs, Locust deals anew to whoever comes or goes

    def _broke(self, greenlet: gevent.Greenlet) -> None:
        self._failure = self._failure or f"the users could not be dealt out: {greenlet.exception!r}"
        self._news.set()

    def _dealing(self) -> type[UsersDispatcher]:
        deal, members = self._deal, self._members

        class Dealing(UsersDispatcher):
            """Locust's own, for the cell's members; it says beforehand which users of the cell each one's are."""

            def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
                super().__init__([node for node in worker_nodes if node.id in members], user_classes)

            def add_worker(self, worker_node: WorkerNode) -> None:
                """Deal nothing to one that comes later."""

            def __next__(self) -> dict[str, dict[str, int]]:
                dealt = super().__next__()
                deal({client_id: sum(counts.values()) for client_id, counts in dealt.items()})
                return dealt

        return Dealing

    def _deal(self, users: dict[str, int]) -> None:
        """Number the workers, those with one user more first, and tell each its share."""
        spec = msgspec.json.encode(self._spec)
        ordered = sorted(self._members.values(), key=lambda each: (-users[each.client_id], each.rank))
        for number, member in enumerate(ordered):
            member.number = number
            assert users[member.client_id] == count_users(self._spec, Share(number, len(ordered)))
            clock = OUR_CLOCK if self._workers.sync_clocks else ""
            share = {"worker": number, "workers": len(ordered), "spec": spec, "clock": clock}
            self.runner.send_message(SHARE, share, member.client_id)

    def _hear(self, msg: Message, **_: object) -> None:
        member = self._members[msg.node_id]
        member.last = progress = msgspec.convert(msg.data, Progress)
        member.said.add(progress.event)
        if progress.event == "failed":
            self._failure = self._failure or f"{member.name}: {progress.message}"
        elif progress.event == "second" and not member.number:
            self._say("second")
        self._news.set()

    def _pong(self, msg: Message, **_: object) -> None:
        answer = {"sent_ns": msg.data["sent_ns"], "read_ns": time.monotonic_ns()}
        self.runner.send_message(PONG, answer, msg.node_id)

    def _keep(self, msg: Message, **_: object) -> None:
        member = self._members[msg.node_id]
        folder = self._out_dir / f"worker-{member.number}"
        folder.mkdir(exist_ok=True)
        for name, content in msg.data.items():
            (folder / Path(name).name).write_bytes(content)
        member.folder = folder
        self._news.set()

    def _await(self, event: str) -> None:
        while not all(event in member.said for member in self._members.values()):
            self._look()

    def _look(self, timeout_s: float = _LOOK_S) -> None:
        """Wait for news, a moment; raises Failed where a worker is gone or has failed."""
        self._news.wait(timeout_s)
        self._news.clear()
        names = {member.pid: member.name for member in self._members.values() if member.number >= 0}
        for pid in list(self._children):
            ended, status = _waitpid(pid, os.WNOHANG)
            if ended:
                self._children.remove(pid)
                self._failure = self._failure or f"{names.get(pid, 'a worker')} {_end(status)}"
        for member in self._members.values():
            # Whether one of ours lives is known all the same.
            if (
                member.forked < 0
                and member.folder is None
                and (why := member.lost(self.runner.clients.get(member.client_id)))
            ):
                self._failure = self._failure or f"{member.name} was lost: {why}"
        if self._failure:
            raise Failed(self._failure)

    def _say(self, event: str) -> None:
        last = [member.last for member in self._members.values() if member.last is not None]
        connected, delivered = (sum(getattr(each, name) for each in last) for name in ("connected", "delivered"))
        pids = (
            tuple(m.pid for m in self._members.values() if m.is_here and m.forked < 0) if event == "connected" else ()
        )
        now_ns = time.monotonic_ns()
        report(Progress(event=event, connected=connected, delivered=delivered, at_ns=now_ns, pids=pids))


def _end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def main(arguments: list[str]) -> int:
    """Run one cell with several workers; returns the exit code."""
    if len(arguments) != 3:
        print("usage: python -m loadtests.load.users.cell_master WORKERS SPEC.json OUT_DIR", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    try:
        workers = msgspec.json.decode(arguments[0], type=Workers)
        spec = read_spec(Path(arguments[1]))
    except (OSError, ValueError) as error:
        report(Progress(event="failed", message=str(error)))
        return 2
    children: list[int] = []
    leashes: list[int] = []
    for number in range(workers.here):
        leash, ours = os.pipe()
        pid = fork_gevent()
        if not pid:
            for each in (*leashes, ours):
                os.close(each)
            return cell_worker.serve(workers.near_host, number, leash)
        os.close(leash)
        children.append(pid)
        leashes.append(ours)
    try:
        master = CellMaster(spec, workers, children, Path(arguments[2]))
    except RPCError as error:
        report(Progress(event="failed", message=f"{workers.bind_host}:{workers.port} can't be bound: {error}"))
        return 1
    for each in leashes:
        os.write(each, b"%d" % master.port)
    return _measured(master)


def _measured(master: CellMaster) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, master.stop, number)
    try:
        master.run()
    except (Failed, RunError) as error:
        report(Progress(event="failed", message=str(error)))
        return 128 + master.interrupted if master.interrupted else 1
    finally:
        master.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
