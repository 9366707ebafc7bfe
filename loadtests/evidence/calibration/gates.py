"""The study of the gates: plant what each gate watches for, and measure by how much the latencies move.

Each piece is one generator, with a room for each transport, against a fault server that delays nothing. Its disturbance
is on in every other half second, roughly (`windows`): a machine that is busy disturbs both kinds of window alike, and
what is compared is their difference. As root, server and generator run before all other programs, except beside a hog,
with which they compete as cells do. Pairs of windows in which others took the processor are left out. Pieces
of all disturbances and levels take turns, in an order drawn at random.

Each finished piece is a folder. A study that was stopped goes on where it was.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from loadtests.evidence.calibration import hog
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.moves import Measured, Planted, moved
from loadtests.evidence.calibration.trial import describe_cell, fault_server_process, measured_rows, run_generator
from loadtests.evidence.calibration.windows import TICKS
from loadtests.records import json_file
from loadtests.records.cell_spec import Load
from loadtests.records.errors import LabError, UsageError
from loadtests.records.gates import GATES, Move
from loadtests.run import targets
from loadtests.run.process import available_cores, divide_cores, end_with_us, run_before_others, running_on
from loadtests.run.targets import Target

LEVELS_MS = (1.0, 2.0, 5.0)
TRANSPORTS = ("websocket", "sse", "longpoll", "shortpoll")
TURNS = 3
PIECE_S = 11.0
_WARM_UP_S, _GRACE_S, _START_S = 0.3, 0.3, 0.8  # the last: what it takes to start and to end, about
_LOAD = Load(name="gates", subscribers=2, rate_per_s=41.0, arrivals="poisson", poll_interval_s=0.015)
_DISTURBED = "loadtests.evidence.calibration.disturbed"
_DESIGN = "study.json"


class Design(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a study that goes on must not change."""

    transports: tuple[str, ...]
    seed: int
    commit: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One generator's run: one disturbance at one level, in one turn."""

    disturbance: str
    level_ms: float
    turn: int

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.disturbance.replace(' ', '-')}-{self.level_ms:g}ms-{self.turn}"


def pieces(seed: int) -> tuple[Piece, ...]:
    """Return all pieces in the order of measuring: every disturbance and level once in each turn."""
    drawn: list[Piece] = []
    for turn in range(TURNS):
        of_turn = [Piece(disturbance, level_ms, turn) for disturbance in GATES for level_ms in LEVELS_MS]
        random.Random(f"{seed}.{turn}").shuffle(of_turn)
        drawn += of_turn
    return tuple(drawn)


def begun(folder: Path, design: Design) -> Design:
    """Begin a study in `folder`, or return the design of the one that is there; UsageError where it is another's."""
    file = folder / _DESIGN
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"--gates {folder}: this folder holds no study of the gates; name one that does, or none")
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(design))
        return design
    kept = json_file.read(file, Design, "a study of the gates", UsageError)
    if kept.commit != design.commit:
        raise UsageError(f"--gates {folder}: it was begun at commit {kept.commit}, this is {design.commit}; begin anew")
    return kept


def measure(folder: Path, design: Design, report: Callable[[str], None]) -> None:
    """Measure the pieces that are not there yet; raises TrialError, GeneratorError, KeyboardInterrupt."""
    chosen = targets.select(design.transports)
    planned = pieces(design.seed)
    missing = [piece for piece in planned if not (folder / piece.folder).exists()]
    for place, piece in enumerate(missing):
        left_s = (len(missing) - place) * (_WARM_UP_S + PIECE_S + _GRACE_S + _START_S)
        done = len(planned) - len(missing) + place + 1
        report(f"{done} of {len(planned)}: {piece.disturbance} {piece.level_ms:g} ms, {left_s / 60:.0f} min left")
        unfinished = folder / f"{piece.folder}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _measure(piece, chosen, unfinished, seed=design.seed % 2**31 + piece.turn)
        unfinished.rename(folder / piece.folder)


def _measure(piece: Piece, chosen: Sequence[Target], folder: Path, seed: int) -> None:
    load = msgspec.structs.replace(_LOAD, rooms=len(chosen), subscribers=_LOAD.subscribers * len(chosen))
    with ExitStack() as stack:
        if piece.disturbance == "hog":
            stack.enter_context(hogs(piece.level_ms))
        port, pid = stack.enter_context(fault_server_process(Faults(delay_ms=0.0)))
        if piece.disturbance != "hog":
            run_before_others(pid)
        timings = {"warm_up_s": _WARM_UP_S, "measured_s": PIECE_S, "grace_s": _GRACE_S}
        cell = describe_cell(chosen[0].user_class, port, load, **timings)
        classes = tuple(target.user_class for target in chosen)
        cell = msgspec.structs.replace(cell, room_classes=classes, seed=seed)
        trial = run_generator(cell, folder, module=(_DISTURBED, piece.disturbance, f"{piece.level_ms:g}", str(pid)))
    if trial.exit_code != 0:
        raise LabError(f"the disturbed generator ended with {trial.exit_code}; see {folder / 'generator.log'}")


def _hogged_cores() -> tuple[frozenset[int], ...]:
    cores = divide_cores(available_cores())
    return tuple({cores.server, cores.generator})


def hog_percent(level_ms: float) -> float:
    """Return what the hogs take together while they are on, in per cent of a core."""
    return 100 * level_ms / hog.PERIOD_MS * len(_hogged_cores())


@contextmanager
def hogs(level_ms: float) -> Iterator[None]:
    """Run a hog on the server's core and one on the generator's, while entered."""
    command = [sys.executable, "-m", "loadtests.evidence.calibration.hog", f"{level_ms:g}"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for cores in _hogged_cores():
            with running_on(cores):
                running.append(subprocess.Popen(command, preexec_fn=end_with_us()))  # noqa: S603  # our own module
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def analysed(folder: Path, design: Design) -> tuple[Move, ...]:
    """Return what moved, from all pieces of a study; a level of which no pair of windows can be used is left out."""
    chosen = targets.select(design.transports)
    found: list[Move] = []
    for disturbance in GATES:
        for level_ms in LEVELS_MS:
            there = [folder / Piece(disturbance, level_ms, turn).folder for turn in range(TURNS)]
            measured = [_read(each) for each in there if each.exists()]
            if measured:
                planted = Planted(disturbance, level_ms, hog_percent(level_ms))
                found += [moved(planted, measured, target, room) for room, target in enumerate(chosen)]
    return tuple(move for move in found if move.deliveries and move.left_out < move.pairs)


def _read(folder: Path) -> Measured:
    ticks = np.array(msgspec.json.decode((folder / TICKS).read_bytes()), dtype=np.int64).reshape(-1, 3)
    samples, publishes = (measured_rows(folder / f"{name}.parquet") for name in ("samples", "publishes"))
    due_ns = publishes["scheduled_ns"]
    # Connecting and the collection before the first publication hold up the hub too.
    inside = (ticks[:, 0] >= due_ns.min(initial=2**63 - 1)) & (ticks[:, 0] <= due_ns.max(initial=0))
    return Measured(samples=samples, publishes=publishes, ticks=ticks[inside])
