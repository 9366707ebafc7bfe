"""The master of one cell: whom it deals users to, and what it says where workers are missing or fall silent."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import msgspec
import pytest
from locust import __version__ as locust_version
from locust.rpc import Message
from locust.runners import STATE_MISSING

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users import cell_master
from loadtests.load.users.cell_master import CellMaster
from loadtests.load.users.cell_worker import HERE, SHARE, VERSIONS, WHO
from loadtests.load.users.measurement import Failed
from loadtests.records.cell_spec import CellSpec, Load, Progress, Workers

SPEC = CellSpec(
    cell="c", user_class="WebSocketUser", host="http://127.0.0.1:1", tokens=("t",), room_names=("room",),
    load=Load(name="4x1", subscribers=4, rate_per_s=1.0),
)  # fmt: skip

Master = Callable[[Workers], CellMaster]


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    """Opens masters whose messages to workers go nowhere but into `master.sent`."""
    opened: list[CellMaster] = []

    def open_one(workers: Workers) -> CellMaster:
        opened.append(CellMaster(SPEC, workers, [], tmp_path))
        return opened[-1]

    yield open_one
    for each in opened:
        each.runner.greenlet.kill()
        each.runner.server.socket.context.destroy(linger=0)  # its socket too


def sent_by(master: CellMaster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return a list that grows by what is sent to whom."""
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(master.runner.server, "send_to_client", lambda msg: sent.append((msg.type, msg.node_id)))
    return sent


def come(master: CellMaster, name: str, host: str = "far", pid: int = 1, clock: str = "another") -> None:
    """Let a worker connect and say who it is."""
    me = {"pid": pid, "host": host, "clock": clock, "versions": VERSIONS}
    master.runner.handle_message(name, Message("client_ready", locust_version, name))  # type: ignore[no-untyped-call]
    master.runner.handle_message(name, Message(HERE, me, name))  # type: ignore[no-untyped-call]


def test_one_worker_too_many_gets_nothing_before_or_after_the_deal(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = master(Workers(here=0, elsewhere=2))
    sent = sent_by(made, monkeypatch)
    for name in ("a", "b", "c"):
        come(made, name)
    dealing = gevent.spawn(made._start, 5)
    gevent.sleep(0.05)
    come(made, "d")
    dealing.get(timeout=5)
    come(made, "e")
    given = [(kind, name) for kind, name in sent if kind in (SHARE, "spawn")]
    assert given == [(SHARE, "a"), (SHARE, "b"), ("spawn", "a"), ("spawn", "b")]
    alive = Message("heartbeat", {"state": "ready", "current_cpu_usage": 0}, "e")  # type: ignore[no-untyped-call]
    made.runner.handle_message("e", alive)
    assert sent[-2:] == [(WHO, "e"), ("heartbeat", "e")], "it stays for the next cell"


def test_a_deal_that_breaks_ends_the_cell(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    made = master(Workers(here=0, elsewhere=1))
    come(made, "a")
    monkeypatch.setattr(cell_master, "count_users", lambda *_: 99)
    dealing = gevent.spawn(made._start, 5)
    dealing.link_exception(made._broke)
    dealing.join()
    gevent.sleep(0)
    with pytest.raises(Failed, match="users could not be dealt out: AssertionError"):
        made._look()


def test_a_fork_is_known_by_host_and_pid(master: Master) -> None:
    made = master(Workers(here=1, elsewhere=1))
    made._children.append(os.getpid())
    come(made, "far", "far", os.getpid())
    come(made, "near", platform.node(), os.getpid())
    assert {name: member.forked for name, member in made._members.items()} == {"far": -1, "near": 0}
    made._children.clear()


def test_who_came_is_named_where_somebody_is_missing(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_master, "_COME_S", 0.2)
    made = master(Workers(here=0, elsewhere=2))
    come(made, "a", "far", 41)
    with pytest.raises(Failed, match=r"^1 of 2 workers came within 0 s: pid 41 on far$"):
        made._gather()


def test_a_worker_that_falls_silent_while_it_writes_is_lost_later(master: Master) -> None:
    made = master(Workers(here=0, elsewhere=1))
    come(made, "a")
    (member,) = made._members.values()
    member.number = 1
    client = made.runner.clients["a"]
    client.state, client.heartbeat = STATE_MISSING, -1
    assert member.lost(client) == "no sign of life for 3 s"
    member.said.add("over")
    made._look()
    client.heartbeat = -28
    with pytest.raises(Failed, match=r"^worker 1 \(far\) was lost: no sign of life for 30 s$"):
        made._look()


def test_a_worker_that_ends_before_its_files_came_is_lost(master: Master, tmp_path: Path) -> None:
    made = master(Workers(here=0, elsewhere=1))
    come(made, "a")
    (member,) = made._members.values()
    member.said.add("over")
    del made.runner.clients["a"]
    with pytest.raises(Failed, match=r"a worker \(far\) was lost: it has disconnected"):
        made._look()
    made._failure, member.folder = "", tmp_path
    made._look()


def test_workers_that_came_from_this_machine_are_watched_too(
    master: Master, capsys: pytest.CaptureFixture[str]
) -> None:
    made = master(Workers(here=0, elsewhere=3))
    come(made, "a", platform.node(), 41, OUR_CLOCK)
    come(made, "b", platform.node(), 42)
    come(made, "c", "far", 43, OUR_CLOCK)
    made._say("connected")
    made._say("over")
    lines = [msgspec.json.decode(line, type=Progress) for line in capsys.readouterr().out.splitlines()]
    assert [line.pids for line in lines] == [(41,), ()]


def test_where_it_cannot_listen_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(SPEC))
    workers = msgspec.json.encode(Workers(here=0, elsewhere=1, bind_host="192.0.2.1", port=5557)).decode()
    assert cell_master.main([workers, str(tmp_path / "spec.json"), str(tmp_path)]) == 1
    (line,) = (msgspec.json.decode(each, type=Progress) for each in capsys.readouterr().out.splitlines())
    assert line.message.startswith("192.0.2.1:5557 can't be bound: ")
