"""In which order the cells run: randomised, interleaved blocks, drawn from one seed.

Pure. Never one transport after the other: drift of the machine (heat, a neighbour, a cron job) would then
look like a difference between transports.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records.cell_spec import Load
from loadtests.records.errors import UsageError
from loadtests.records.link_spec import Link, parse
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
    against: str = ""  # the load's name of which this one changes one thing
    stamps: bool = False  # its server writes down when each event took which step

    @property
    def variant(self) -> str:
        """The server's settings beside the run's, in words; empty for none."""
        settings = (
            f"fanout={self.fanout}" if self.fanout else "",
            f"coalesce={self.coalesce_ms:g}ms" if self.coalesce_ms else "",
            "deflate" if self.deflate else "",
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
        grace_s=scenario.grace_s + (cell.load.poll_interval_s if target.on_a_grid else 0.0) + _on_the_way_s(link),
        users=scenario.users,
        fanout=cell.fanout,
        seed=_cell_seed(seed, block, cell.load.name),
        link=link,
        coalesce_ms=cell.coalesce_ms,
        deflate=cell.deflate,
        against=cell.against,
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
