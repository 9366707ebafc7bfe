"""A/A: does the lab call a transport different from itself? And, once, two transports that are near each other.

Each repeat is what a comparison is: two conditions in randomised, interleaved run blocks, pooled and compared by the
same code. Only that both are the same transport, and that the cells are short.

And the lab's answer to a generator that can't keep up: the cell must be refused, not reported as a slow transport.

And coordinated omission, shown once: a server that stalls, measured from a schedule and by a closed loop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from websockets.sync.client import connect

from loadtests.evidence.calibration import suite
from loadtests.evidence.calibration.throttle import SAID
from loadtests.evidence.calibration.trial import TrialError, fault_server
from loadtests.records import repeats
from loadtests.records.calibration import Comparison, Distribution, Omission, SelfTest, Weakened
from loadtests.records.cell_spec import Load
from loadtests.records.errors import LabError
from loadtests.records.schema import Validity
from loadtests.report import bootstrap, latency
from loadtests.report.condition import Result
from loadtests.report.study import study
from loadtests.run import experiment, plan, targets
from loadtests.run.experiment import Experiment
from loadtests.run.plan import PlannedCell
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import ServerSettings

TRANSPORT, OTHER = "websocket", "sse"
RUN_BLOCKS = 2
BETWEEN_RUN_BLOCKS = 4
_ARMS = ("a", "b")
WEAK_PERCENT = 2
"""Of a core: about half of what the load below takes by itself."""

_WEAK_LOAD = Load(name="10x40", subscribers=10, rate_per_s=40.0)
_WEAK_GRACE_S = 3.0  # what could not be read in time is read by then: late, not lost
_LOAD = Load(name="20x40", subscribers=20, rate_per_s=40.0)


@dataclass(frozen=True, slots=True)
class Repeats(Experiment):
    """An experiment whose cells are those of several comparisons, one after the other."""

    repeats: int = 20

    def cells(self) -> tuple[PlannedCell, ...]:
        """Draw each comparison's blocks by itself; the last one is between two transports."""
        drawn: list[PlannedCell] = []
        for repeat in range(self.repeats):
            arms = _scenario([_load(repeat, arm) for arm in _ARMS], RUN_BLOCKS)
            drawn += plan.draw(arms, targets.select([TRANSPORT]), self.seed + repeat)
        between = _scenario([_LOAD], BETWEEN_RUN_BLOCKS)
        drawn += plan.draw(between, targets.select([TRANSPORT, OTHER]), self.seed + self.repeats)
        return tuple(replace(cell, order=order) for order, cell in enumerate(drawn))


def allowed(repeats: int) -> int:
    """Return how many of so many repeats may come out different at 95 %: about a tenth, which chance exceeds rarely.

    Of 20 repeats 1 is expected; more than 2 come by chance in 7.5 % of such tests.
    """
    return (repeats + 5) // 10


def measure(repeats: int, seed: int, runs_folder: Path) -> tuple[SelfTest, Path]:
    """Measure the repeats as one run, and judge them; LabError when interrupted or when nothing can be compared."""
    made = Repeats(
        scenario=_scenario([_load(repeat, arm) for repeat in range(repeats) for arm in _ARMS], RUN_BLOCKS),
        targets=targets.select([TRANSPORT]),
        seed=seed,
        runs_folder=runs_folder,
        bench=experiment.bench_of(ServerSettings()),
        passes=0,  # a repeated cell would stand in another minute than what it is compared with
        repeats=repeats,
    )
    outcome = experiment.conduct(made)
    if outcome.interrupted:
        raise LabError(f"stopped before the {repeats} repeats were done; what was measured is in {outcome.folder}")
    return judge(outcome.folder, repeats), outcome.folder


def judge(folder: Path, repeats: int) -> SelfTest:
    """Compare the two arms of each repeat of a run, and the two transports; LabError where no repeat can be compared.

    A pair with an invalid side is not compared, as in a report.
    """
    found = study(folder)
    by_name = {(result.condition.transport, result.condition.load): result for result in found.results}
    pairs = []
    for repeat in range(repeats):
        a, b = (by_name.get((TRANSPORT, _load(repeat, arm).name)) for arm in _ARMS)
        pairs.append(compared(f"repeat {repeat + 1}", a, b))
    same = tuple(pair for pair in pairs if pair is not None)
    if not same:
        raise LabError(f"none of the {repeats} repeats can be compared: their cells are invalid; see {folder}")
    other = compared(f"{OTHER} - {TRANSPORT}", by_name.get((OTHER, _LOAD.name)), by_name.get((TRANSPORT, _LOAD.name)))
    return SelfTest(
        transport=TRANSPORT,
        run_id=found.run.run_id,
        allowed=allowed(len(same)),
        repeats=same,
        left_out=repeats - len(same),
        between=() if other is None else (other,),
    )


def compared(name: str, a: Result | None, b: Result | None) -> Comparison | None:
    """Compare as a report does; None where a side is missing or invalid."""
    blocks = [side.blocks for side in (a, b) if side is not None and side.validity is not Validity.INVALID]
    if len(blocks) < 2 or blocks[0] is None or blocks[1] is None:
        return None
    difference = bootstrap.difference(blocks[0], blocks[1], 50.0)
    return Comparison(
        name=name,
        difference_ms=difference.value_ms,
        low_ms=difference.low_ms,
        high_ms=difference.high_ms,
        smallest_detectable_ms=difference.smallest_detectable_ms,
        indistinguishable=difference.indistinguishable,
    )


def _load(repeat: int, arm: str) -> Load:
    return msgspec.structs.replace(_LOAD, name=f"{repeat + 1:02d}{arm}")


def _scenario(loads: Sequence[Load], blocks: int) -> Scenario:
    return Scenario(
        name="self-test",
        about="the same transport twice, again and again",
        cells=tuple(CellPlan(load=load) for load in loads),
        blocks=blocks,
        warm_up_s=0.3,
        measured_s=1.5,
        grace_s=0.3,
    )


def measure_weak(runs_folder: Path, percent: int = WEAK_PERCENT) -> Weakened:
    """Measure one cell as `rtlab run` would, once, with a generator that is throttled.

    LabError where it can't be throttled here, or when interrupted.
    """
    scenario = Scenario(
        name="weak-generator",
        about="a generator too weak",
        cells=(CellPlan(load=_WEAK_LOAD),),
        blocks=1,
        warm_up_s=0.2,
        measured_s=2.0,
        grace_s=_WEAK_GRACE_S,
    )
    bench = replace(
        experiment.bench_of(ServerSettings()),
        generator_module=("loadtests.evidence.calibration.throttle", str(percent)),
    )
    made = Experiment(scenario, targets.select([TRANSPORT]), seed=1, runs_folder=runs_folder, bench=bench, passes=0)
    outcome = experiment.conduct(made)
    if outcome.interrupted:
        raise LabError("stopped before the weak generator had been measured")
    means = {_means(log.read_text(encoding="utf-8")) for log in outcome.folder.glob("generator-*.log")}
    if "" in means:
        raise LabError("this system has no way to hold a generator back")
    refused = repeats.unreplaced(outcome.run.cells)
    cell = refused[0] if refused else outcome.run.cells[-1]
    return Weakened(means=", ".join(sorted(means)), validity=cell.verdict.validity, reasons=cell.verdict.reasons)


def _means(log: str) -> str:
    """Return how the generator was held back, by its own word; empty if it was not."""
    return next((line.removeprefix(SAID) for line in log.splitlines() if line.startswith(SAID)), "")


_POINTS = 120
_MIN_BEYOND = 1  # of some 200 messages: enough to show what hides, less than any other table demands
_ROOM = "closed-loop"
_TIMEOUT_S = 10.0


def closed_loop_ms(port: int, *, rate_per_s: float, warm_up_s: float, measured_s: float) -> npt.NDArray[np.float64]:
    """Measure by a closed loop, as most load tools have it: the next message waits for the last one.

    Sends on a WebSocket, waits until its own message has come back, and then for the next instant of its rate. While
    the server stalls it sends nothing, so that one message alone shows the stall. Returns the latency of each message
    from sending to receiving, in ms; raises TimeoutError, OSError.
    """
    found: list[float] = []
    interval_s = 1 / rate_per_s
    with connect(f"ws://127.0.0.1:{port}/rooms/{_ROOM}/ws", compression=None) as socket:
        socket.send('{"type":"hello","token":"token"}')
        socket.recv(_TIMEOUT_S)
        started = due = time.monotonic()
        while due < started + warm_up_s + measured_s:
            time.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            socket.send(f'{{"type":"chat","content":"{len(found)}","ref":"{len(found)}"}}')
            while '"content"' not in str(socket.recv(_TIMEOUT_S)):
                pass  # the acknowledgement
            received = time.monotonic()
            if due >= started + warm_up_s:
                found.append(1e3 * (received - sent))
            # The next whole interval after the answer: what fell due meanwhile is never sent.
            due = max(due + interval_s, received)
    return np.array(found)


def show_omission(folder: Path) -> Omission:
    """Measure both ways, some ten seconds each; raises TrialError."""
    found, trial = suite.STALL.measure(targets.target(TRANSPORT), folder)
    faults, load = found.faults, found.load
    measured_s = (trial.result.measured_to_ns - trial.result.measured_from_ns) / 1e9
    # One latency per message: the first subscriber's.
    scheduled = trial.latencies_ms[trial.samples["subscriber"] == 0]
    with fault_server(faults) as port:
        try:
            closed = closed_loop_ms(port, rate_per_s=load.rate_per_s, warm_up_s=0.5, measured_s=measured_s)
        except (OSError, TimeoutError) as error:
            raise TrialError(f"the closed loop failed: {error}") from error
    return Omission(
        transport=TRANSPORT,
        rate_per_s=load.rate_per_s,
        measured_s=measured_s,
        stall_s=faults.stall_s,
        from_schedule=distribution(scheduled),
        closed_loop=distribution(closed),
    )


def distribution(latency_ms: npt.NDArray[np.float64]) -> Distribution:
    """Summarise latencies; raises TrialError for none."""
    if not len(latency_ms):
        raise TrialError("no message came back")
    ascending = np.sort(latency_ms)
    n = len(ascending)
    rank = np.unique(np.linspace(1, n, min(n, _POINTS)).round().astype(np.int64))
    return Distribution(
        messages=n,
        p50_ms=_percentile(ascending, 50),
        p99_ms=_percentile(ascending, 99),
        max_ms=float(ascending[-1]),
        latency_ms=tuple(ascending[rank - 1].round(4).tolist()),
        fraction=tuple((rank / n).round(6).tolist()),
    )


def _percentile(ascending: npt.NDArray[np.float64], percent: int) -> float | None:
    rank = latency.rank_of(len(ascending), percent)
    return float(ascending[rank - 1]) if len(ascending) - rank >= _MIN_BEYOND else None
