"""Whole runs over stand-ins: what lands in the folder, what a failing part does to its cell, Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil
import pyarrow.parquet as pq
import pytest

from loadtests.records import store
from loadtests.records.cell_spec import Load, Progress
from loadtests.records.errors import ServerError
from loadtests.records.schema import TIMELINE, Cell, Validity
from loadtests.run import experiment, servers, targets
from loadtests.run.cell import Bench, spec_of
from loadtests.run.experiment import Experiment, RunOutcome
from loadtests.run.generators import FORK_SERVER
from loadtests.run.instances import Scaling
from loadtests.run.plan import PlannedCell
from loadtests.run.scenario import CellPlan, Scenario, scaled_out
from loadtests.run.servers import Server, ServerSettings

SERVER = (sys.executable, "-m", "tests.loadtests.run.stand_in_server")

LATENCY = CellPlan(load=Load(name="4x10", subscribers=4, rate_per_s=10.0))
MEMORY = CellPlan(kind="memory", hold_s=0.5, load=Load(name="idle", subscribers=4, rate_per_s=0.0))


class Quiet:
    """A display that records instead of showing, and may send this process a signal."""

    def __init__(self, interrupt_in: str = "") -> None:
        self.ended: list[Cell] = []
        self.lines: list[str] = []
        self.closed = False
        self._interrupt_in = interrupt_in
        self._now = ""

    def begin(self, cell: PlannedCell) -> None:
        self._now = cell.id

    def on_progress(self, progress: Progress) -> None:
        if progress.event == "connected" and self._now == self._interrupt_in:
            os.kill(os.getpid(), signal.SIGINT)

    def end(self, cell: Cell) -> None:
        self.ended.append(cell)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> None:
        self.closed = True


def make(
    folder: Path,
    *,
    fault: str = "none",
    cells: tuple[CellPlan, ...] = (LATENCY,),
    transports: Sequence[str] = ("sse",),
    server: tuple[str, ...] = SERVER,
    arguments: tuple[str, ...] = (),
    phase_s: float = 0.1,
) -> Experiment:
    return Experiment(
        scenario=Scenario(
            name="test", about="", cells=cells, blocks=1, warm_up_s=phase_s, measured_s=phase_s, grace_s=0.0
        ),
        targets=targets.select(transports),
        seed=7,
        runs_folder=folder,
        bench=Bench(
            settings=ServerSettings(command=server, arguments=arguments, drain_s=0.1),
            generator_module=("tests.loadtests.run.stand_in_generator", fault),
        ),
        passes=0,  # how well the instrument is just now must not decide how many cells there are
    )


def conduct(made: Experiment, display: Quiet | None = None) -> RunOutcome:
    shown = display or Quiet()
    return experiment.conduct(made, lambda _: shown)


def children() -> set[int]:
    # The fork server stays for the next run of this process; what it forked does not.
    return {child.pid for child in psutil.Process().children(recursive=True)} - {FORK_SERVER.pid}


def reasons(outcome: RunOutcome) -> str:
    (cell,) = outcome.run.cells
    assert cell.verdict.validity is Validity.INVALID
    return " ".join(cell.verdict.reasons)


@dataclass(frozen=True)
class Whole:
    """One run of both kinds of cells over two transports, and this process around it."""

    outcome: RunOutcome
    before: tuple[object, ...]  # its children and signal handlers
    after: tuple[object, ...]

    def cell(self, cell_id: str) -> Cell:
        return next(cell for cell in self.outcome.run.cells if cell.id == cell_id)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    def state() -> tuple[object, ...]:
        return children(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    before = state()
    cells, transports = (LATENCY, MEMORY), ("sse", "websocket")
    # Long enough for two readings of the sampler around the measured phase.
    made = make(tmp_path_factory.mktemp("runs"), cells=cells, transports=transports, phase_s=0.3)
    outcome = conduct(made)
    return Whole(outcome, before, state())


def test_a_run_leaves_a_complete_folder_and_no_process(whole: Whole) -> None:
    assert whole.after[0] == whole.before[0]
    run = store.load(whole.outcome.folder)
    assert run == whole.outcome.run
    assert run.complete
    assert not run.note
    assert {cell.id for cell in run.cells} == {"0-sse-4x10", "0-websocket-4x10", "0-sse-idle", "0-websocket-idle"}
    assert pq.read_table(whole.outcome.folder / "samples.parquet").num_rows == 2 * 40
    assert pq.read_table(whole.outcome.folder / "publishes.parquet").num_rows == 2 * 10
    timeline = pq.read_table(whole.outcome.folder / "timeline.parquet")
    assert timeline.schema.names == TIMELINE.names
    assert {path.name for path in whole.outcome.folder.iterdir()} >= {"run.json", "server-0-sse-4x10.log"}
    assert not (whole.outcome.folder / "cells").exists()


def test_signals_are_the_callers_again_after_a_run(whole: Whole) -> None:
    assert whole.after[1:] == whole.before[1:]


def test_a_latency_cell_is_counted_and_costed(whole: Whole) -> None:
    cell = whole.cell("0-sse-4x10")
    assert cell.counts is not None
    assert (cell.counts.expected, cell.counts.received, cell.counts.lost) == (40, 40, 0)
    assert cell.server == {"tcp_nodelay": True, "deflate": False, "sink": "portable"}
    assert cell.costs is not None
    assert cell.costs.server_cpu_us_per_delivery is not None
    assert cell.instrument is not None
    assert cell.instrument.clock == "kernel"


def test_a_memory_cell_has_memory_and_no_counts(whole: Whole) -> None:
    cell = whole.cell("0-sse-idle")
    assert cell.kind == "memory"
    assert cell.counts is None
    assert cell.costs is not None
    assert cell.costs.server_kib_per_connection is not None
    assert "nothing was received" not in cell.verdict.reasons


def test_the_manifest_holds_settings_seed_and_what_servers_said(whole: Whole) -> None:
    run = whole.outcome.run
    assert run.manifest["random"]["seed"] == 7
    assert run.manifest["settings"]["RTLAB_RATE"] == "0"
    assert run.manifest["servers"]["sse.tcp_nodelay"] is True
    assert "settings.deflate" in run.protected
    assert "SECRET" not in str(run.manifest)


def test_a_scaled_cell_runs_beside_the_ordinary_one_and_keeps_deliveries_by_instance(tmp_path: Path) -> None:
    made = make(tmp_path)
    bench = replace(made.bench, scaling=Scaling("redis://:secret@127.0.0.1:6390/2", 3))
    run = conduct(replace(made, scenario=scaled_out(made.scenario), bench=bench)).run
    cells = {cell.kind: cell for cell in run.cells}
    assert {kind: cell.load for kind, cell in cells.items()} == {"latency": "4x10", "scaled": "4x10-redis"}
    counted = {key: value for key, value in cells["scaled"].server.items() if key.startswith("deliveries_")}
    assert counted == {f"deliveries_instance_{place}": 100 * place for place in (1, 2, 3)}
    assert "deliveries_instance_1" not in cells["latency"].server
    assert cells["scaled"].counts is not None
    assert run.manifest["settings"]["redis_url"] == "redis://127.0.0.1:6390/2"
    assert run.manifest["settings"]["instances"] == 3
    assert "secret" not in str(run.manifest)
    assert "sse.deliveries_instance_1" not in run.manifest["servers"]
    timeline = pq.read_table(tmp_path / run.run_id / "timeline.parquet").to_pylist()
    asked = {row["cell"]: row["server_connections"] for row in timeline}
    assert asked.get("0-sse-4x10-redis", -1) == -1


def test_rooms_on_a_redis_that_stays_are_new_for_each_cell(tmp_path: Path) -> None:
    made = make(tmp_path)
    (ordinary,) = made.cells()
    scaled = replace(ordinary, kind="scaled")
    with Server("sse", made.bench.settings, log=tmp_path / "log") as server:
        assert spec_of(ordinary, server).room_names == ("room-0",)
        assert spec_of(scaled, server).room_names != spec_of(scaled, server).room_names


def test_an_instance_that_never_comes_is_waited_for_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_READY_S_PER_INSTANCE", 0.0)

    class OneOfTwo(Scaling):
        @property
        def arguments(self) -> tuple[str, ...]:
            return "--instances", "1"

    settings = ServerSettings(command=SERVER, scaling=OneOfTwo("redis://127.0.0.1", 2), drain_s=0.1)
    with Server("sse", settings, log=tmp_path / "log") as server:
        until_s = time.monotonic() + 20
        while not answers(server):
            assert time.monotonic() < until_s
        with pytest.raises(ServerError, match=r"not ready within 0.1 s \(1 of 2 instances were\)"):
            server.wait_ready(lambda: None, timeout_s=0.1)


def answers(server: Server) -> bool:
    try:
        return server.get("/health")[0] == 200
    except OSError:
        return False


def test_a_lost_delivery_makes_the_cell_invalid(tmp_path: Path) -> None:
    assert "1 of 40 deliveries are missing" in reasons(conduct(make(tmp_path, fault="lost")))


def test_why_connections_were_cut_is_kept_with_the_cell(tmp_path: Path) -> None:
    (cell,) = store.load(conduct(make(tmp_path, fault="cut")).folder).cells
    assert cell.counts is not None
    assert cell.counts.reconnects == 2
    assert cell.errors == {"WS connection ended: go away! (4000)": 2}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("failed", "no connection to the server"),
        ("crash", "it broke"),
        ("no-tables", "no readable result"),
    ],
)
def test_a_generator_that_fails_makes_the_cell_invalid(tmp_path: Path, fault: str, said: str) -> None:
    outcome = conduct(make(tmp_path, fault=fault))
    assert said in reasons(outcome)
    assert outcome.run.complete


def test_a_server_that_dies_makes_the_cell_invalid_at_once(tmp_path: Path) -> None:
    outcome = conduct(make(tmp_path, fault="hang", arguments=("--die-after", "0.4")))
    assert "the sse server died (exit code 9)" in reasons(outcome)


def test_a_server_that_can_not_start_says_its_last_words(tmp_path: Path) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no such thing')")
    assert "no such thing" in reasons(conduct(make(tmp_path, server=broken)))


def test_a_port_taken_meanwhile_is_drawn_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    once = (
        "import os, sys; from pathlib import Path; mark = Path(os.environ['MARK'])\n"
        "if not mark.exists(): mark.touch(); sys.exit('[Errno 98] Address already in use')\n"
        "from tests.loadtests.run.stand_in_server import main; main()"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARK", str(mark))
        (cell,) = conduct(make(tmp_path, server=(sys.executable, "-c", once))).run.cells
    assert mark.exists()
    assert cell.counts is not None


def test_a_stamped_cell_keeps_its_servers_stamps(tmp_path: Path) -> None:
    stamping = (
        "import os; from pathlib import Path; folder = Path(os.environ['RTLAB_STAMPS'])\n"
        "rows = 'room,offset,accepted_ns,appended_ns,heard_ns,writing_ns,written_ns\\nroom-0,1,1,2,3,4,5\\n'\n"
        "(folder / 'stamps-x.csv').write_text(rows)\n"
        "from tests.loadtests.run.stand_in_server import main; main()"
    )
    stamped = msgspec.structs.replace(LATENCY, stamps=True)
    # Of two cells: the second one's server is started ahead.
    made = make(tmp_path, cells=(stamped,), transports=("sse", "websocket"), server=(sys.executable, "-c", stamping))
    outcome = conduct(made)
    assert [cell.counts is not None for cell in outcome.run.cells] == [True, True]
    assert pq.read_table(outcome.folder / "stamps.parquet").num_rows == 2


def test_ctrl_c_keeps_finished_cells_and_says_what_is_missing(tmp_path: Path) -> None:
    made = make(tmp_path, transports=("sse", "websocket", "longpoll"))
    second = made.cells()[1].id
    display = Quiet(interrupt_in=second)
    before = children()
    outcome = conduct(made, display)
    assert children() == before
    assert outcome.interrupted
    assert display.closed
    run = store.load(outcome.folder)
    assert [cell.id for cell in run.cells] == [made.cells()[0].id]
    assert not run.complete
    assert run.note.startswith("stopped by Ctrl-C after 1 of 3 cells; missing: ")
    assert second in run.note
    assert pq.read_table(outcome.folder / "samples.parquet").num_rows == 40
