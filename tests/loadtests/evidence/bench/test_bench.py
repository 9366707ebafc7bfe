"""Each row of a bench names its case, its system, and the number of its slice over all repeats."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pytest

from loadtests.evidence.bench import bench
from loadtests.evidence.bench.started import Result
from loadtests.evidence.bench.systems import System
from loadtests.records.errors import LabError

_DIRECT = System("direct", lambda port, _: [])


@dataclass(frozen=True)
class _Batch:
    """Measures nothing, in three passes, of which the last fails."""

    name: str = "rooms"
    transports: tuple[str, ...] = ("sse",)
    systems: tuple[str, ...] = ("direct",)
    rarely: tuple[str, ...] = ()
    once: bool = False
    passes: int = 3

    def expected_s(self, names: Collection[str]) -> float:
        return 0.0 * len(names)

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        for number in (0, 1):
            yield "rooms-1x1", systems[0].name, number, {"us_per_msg": 1.0}
        yield "rooms-1x1", systems[0].name, 2, LabError("gone")


def test_each_slice_has_a_number_of_its_own_over_all_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "batches", lambda _groups, _extent: [_Batch()])
    running = bench.Bench({"direct": _DIRECT}, frozenset(), frozenset())
    running.run("quick", [], repeats=2)
    assert [(row["case"], row["system"], row["repeat"]) for row in running.rows] == [
        ("sse/rooms-1x1", "direct", number) for number in (0, 1, 3, 4)
    ]
    assert running.failures == ["gone", "gone"]
