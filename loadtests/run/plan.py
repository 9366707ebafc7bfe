"""In which order the cells run: randomised, interleaved blocks, drawn from one seed; then some of them again.

Pure. Never one transport after the other: drift of the machine (heat, a neighbour, a cron job) would then
look like a difference between transports.

The passes of a run are the planned cells first, then those that only the environment made invalid or doubtful. A cell
that lost, doubled or reordered something, or whose server died, is a finding and never repeated away; nor is one in
which a publication was refused or not answered, or a client cut. The instrument's state alone decides what is repeated,
never a latency. The cell stays in the run beside its repetition (`loadtests.records.repeats`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loadtests.records.cell_spec import Load
from loadtests.records.disruption import Disruption
from loadtests.records.errors import UsageError
from loadtests.records.link_spec import Link, parse
from loadtests.records.repeats import SUFFIX
from loadtests.records.schema import TLS, Cell, Run, Validity
from loadtests.records.store import RunStore
from loadtests.run.scenario import BUDGET, CellPlan, Scenario
from loadtests.run.targets import Target

_RETRANSMITTED_S = 2.0  # Linux' first retransmission timeouts are 0.2 s and more, and double


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell before it ran."""

    id: str  # "<block>-<transport>-<load>"
    target: Target
    load: Load
    kind: str
    block: int  # from 0
    order: int  # position in the run, from 0
    warm_up_s: float
    measured_s: float
    hold_s: float
    grace_s: float
    users: int
    fanout: str  # how the server writes to its sockets; empty: as it does by itself
    seed: int  # of the cell's arrivals; the same for every transport of a block and load
    link: Link | None = None  # None: the loopback
    coalesce_ms: float = 0.0  # how long the server collects events; 0: as it does by itself
    deflate: bool = False  # WebSocket messages are compressed
    tls: bool = False  # by https and wss, whatever the run's setting
    loop: str = ""  # the server's event loop; empty: as it does by itself
    against: str = ""  # the load's name of which this one changes one thing
    disrupt: Disruption | None = None  # its subscribers are cut and come back
    resume: bool = True  # … saying where they were
    stamps: bool = False  # its server writes down when each event took which step

    @property
    def variant(self) -> str:
        """The server's settings beside the run's, in words; empty for none."""
        settings = (
            f"fanout={self.fanout}" if self.fanout else "",
            f"coalesce={self.coalesce_ms:g}ms" if self.coalesce_ms else "",
            "deflate" if self.deflate else "",
            TLS if self.tls else "",
            f"loop={self.loop}" if self.loop else "",
        )
        return ",".join(filter(None, settings))

    @property
    def measuring_s(self) -> float:
        """Seconds the cell takes once everybody is connected."""
        if self.kind == "memory":
            return self.hold_s
        return self.warm_up_s + self.measured_s + self.grace_s


def draw(scenario: Scenario, targets: Sequence[Target], seed: int) -> tuple[PlannedCell, ...]:
    """Return the run's cells in the order drawn from `seed`; each block holds each of its cells once.

    Raises UsageError where two cells would have one id, such as the load h2-a over sse and the load a over sse-h2.
    """
    rng = random.Random(seed)
    planned: list[PlannedCell] = []
    for block in range(max(_blocks(scenario, cell) for cell in scenario.cells)):
        pairs = [
            (target, cell)
            for cell in scenario.cells
            if block < _blocks(scenario, cell)
            for target in targets
            if not cell.transports or target.name in cell.transports
        ]
        rng.shuffle(pairs)
        planned += [
            _planned(scenario, target, cell, block, len(planned) + index, seed)
            for index, (target, cell) in enumerate(pairs)
        ]
    _require_own_ids(planned)
    return tuple(planned)


def _require_own_ids(planned: Sequence[PlannedCell]) -> None:
    met: dict[str, PlannedCell] = {}
    for cell in planned:
        other = met.setdefault(cell.id, cell)
        if other is not cell:
            raise UsageError(
                f"two cells would be called {cell.id}: the load {other.load.name} over {other.target.name} and "
                f"{cell.load.name} over {cell.target.name}; give one of the loads another name"
            )


def _blocks(scenario: Scenario, cell: CellPlan) -> int:
    return scenario.blocks if cell.blocks is None else cell.blocks


def _planned(scenario: Scenario, target: Target, cell: CellPlan, block: int, order: int, seed: int) -> PlannedCell:
    link = parse(cell.link)
    return PlannedCell(
        id=f"{block}-{target.name}-{cell.load.name}",
        target=target,
        load=cell.load,
        kind=cell.kind,
        block=block,
        order=order,
        warm_up_s=scenario.warm_up_s if cell.warm_up_s is None else cell.warm_up_s,
        measured_s=scenario.measured_s if cell.measured_s is None else cell.measured_s,
        hold_s=cell.hold_s,
        grace_s=scenario.grace_s
        + (cell.load.poll_interval_s if target.on_a_grid else 0.0)
        + (cell.disrupt.offline_s if cell.disrupt is not None else 0.0)
        + _on_the_way_s(link),
        users=scenario.users,
        fanout=cell.fanout,
        seed=_cell_seed(seed, block, cell.load.name),
        link=link,
        coalesce_ms=cell.coalesce_ms,
        deflate=cell.deflate,
        tls=cell.tls,
        loop=cell.loop,
        against=cell.against,
        disrupt=cell.disrupt,
        resume=cell.resume,
        stamps=cell.stamps or cell.kind == BUDGET,
    )


def _on_the_way_s(link: Link | None) -> float:
    """Return how long the last message may take over the link: a poll's three transits, and TCP's retransmissions."""
    if link is None:
        return 0.0
    return 2 * (link.rtt_ms + link.jitter_ms) / 1e3 + (_RETRANSMITTED_S if link.loss_percent else 0.0)


def _cell_seed(seed: int, block: int, load: str) -> int:
    """Return a seed that all transports of one block and load share: they get the same arrivals."""
    digest = hashlib.blake2b(f"{seed}/{block}/{load}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


REPEATS = 2
_REPEATED_SHARE = 3
_MOST_REPEATED = 4


class Passes(Protocol):
    """What a run measures, pass by pass; each pass follows from what the ones before have shown."""

    @property
    def first(self) -> Sequence[PlannedCell]:
        """The cells that make the run complete; there may be more."""

    def next(self, store: RunStore) -> Sequence[PlannedCell]:
        """Return the cells of the next pass; none when the run is done."""

    def reached(self, run: Run) -> str:
        """Say how far the run got, if it ends now: `after 3 of 8 cells; …`."""


class RepeatPasses:
    """The planned cells, then at most `repeats` times those that the environment spoilt."""

    def __init__(self, planned: Sequence[PlannedCell], repeats: int = REPEATS) -> None:
        """Plan for `planned`, none of which has run."""
        self.first = self._todo = planned
        self._left = repeats
        self._allowed = allowance(len(planned))
        self._began = False

    def next(self, store: RunStore) -> Sequence[PlannedCell]:
        """Return the cells of the next pass; none when the run is done."""
        if self._began:
            self._left -= 1
            self._todo = repetitions(self._todo, store.run.cells, self._allowed) if self._left >= 0 else ()
            self._allowed -= len(self._todo)
        self._began = True
        return self._todo

    def reached(self, run: Run) -> str:
        """Say how many cells were measured, and name the planned ones that were not."""
        done = {cell.id for cell in run.cells}
        missing = [cell.id for cell in self.first if cell.id not in done]
        return f"after {len(done)} of {len(self.first)} cells; missing: {', '.join(missing)}"


def allowance(planned: int) -> int:
    """Return how many repetitions a run of so many cells may have: its length stays what was promised."""
    return max(2, min(_MOST_REPEATED, planned // _REPEATED_SHARE))


def repetitions(planned: Sequence[PlannedCell], measured: Sequence[Cell], most: int) -> tuple[PlannedCell, ...]:
    """Return the cells to repeat, at most `most`: the invalid ones first, each kind in the order it ran."""
    by_id = {cell.id: cell for cell in planned}
    ours = [cell for cell in measured if cell.id in by_id and not _disturbed(cell)]
    repeated = [*filter(spoilt_by_environment, ours), *filter(doubtful_by_environment, ours)]
    order = max((cell.order for cell in planned), default=0)
    return tuple(
        replace(by_id[cell.id], id=cell.id + SUFFIX, order=order + index)
        for index, cell in enumerate(repeated[: max(0, most)], start=1)
    )


def spoilt_by_environment(cell: Cell) -> bool:
    """Whether only the environment made a cell invalid: everything arrived, once and in order."""
    counts = cell.counts
    if cell.verdict.validity is not Validity.INVALID or counts is None:
        return False
    return counts.received > 0 and not (counts.lost or counts.duplicates or counts.out_of_order or counts.unanswered)


def doubtful_by_environment(cell: Cell) -> bool:
    """Whether only the environment made a planned cell doubtful; a doubtful repetition is not repeated once more."""
    if cell.verdict.validity is not Validity.DOUBTFUL or cell.id.endswith(SUFFIX):
        return False
    # Where kernel stamps are missing, or a proxy hides the server, a repetition would have no more.
    return cell.instrument is not None and cell.instrument.clock == "kernel" and not cell.server.get("forwards")


def _disturbed(cell: Cell) -> bool:
    """Whether a client was refused or cut, or nothing was counted: perhaps the server's doing."""
    counts = cell.counts
    return counts is None or bool(counts.refused or counts.unanswered or counts.told_gaps or counts.reconnects)
