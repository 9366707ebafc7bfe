"""A bench while it runs: what it starts, in which order, and the rows that it keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from loadtests.evidence.bench import summary
from loadtests.evidence.bench.groups import Batch, batches
from loadtests.evidence.bench.matrix import COMPARED, Case, cases, expected_s, half_rate_cases
from loadtests.evidence.bench.runs import Joins, join_once, run_once
from loadtests.evidence.bench.systems import TRANSPORTS, System
from loadtests.records.errors import LabError

_ANY_RATE: Final = dict.fromkeys(COMPARED, 100_000.0)  # how long a run takes does not depend on it


class Bench:
    """Runs over systems that were found; a run that could not be made is in `failures`."""

    def __init__(self, found: Mapping[str, System], server_cores: frozenset[int], client_cores: frozenset[int]) -> None:
        self._found = found
        self._cores = server_cores, client_cores
        self.rows: list[summary.Row] = []
        self.failures: list[str] = []

    def run(self, extent: str, groups: Collection[str], repeats: int) -> None:
        """Repeats are outermost within the batches, the cases and the half rates: neighbours are compared."""
        for repeat in range(repeats):
            for batch in batches(groups, extent):
                if not (batch.once and repeat):
                    self._run_batch(batch, repeat)
        for repeat in range(repeats):
            for case in cases(extent, groups):
                if not (case.once and repeat):
                    self._run_together([case], repeat)
        if extent != "quick" and "p99" in groups:
            half_rates = list(self._half_rates())
            for repeat in range(repeats):
                for together in half_rates:
                    self._run_together(together, repeat)

    def _run_batch(self, batch: Batch, repeat: int) -> None:
        for transport in batch.transports:
            for name in batch.systems:
                if name not in self._found:
                    continue
                try:
                    for load, result in batch.run(self._found[name], transport, *self._cores):
                        self._keep(transport, load, name, repeat, result)
                except LabError as error:
                    self.failures.append(str(error))

    def _run_together(self, together: list[Case], repeat: int) -> None:
        """Run each once a turn, so that what is compared over cases runs close together too."""
        for turn in range(together[0].turns):
            for case in together:
                self._run(case, case.systems_in(turn, repeat), repeat * case.turns + turn)

    def _run(self, case: Case, systems: tuple[str, ...], repeat: int) -> None:
        for name in systems:
            if name not in self._found:
                continue
            try:
                result = self._once(self._found[name], case)
            except LabError as error:
                self.failures.append(str(error))
                continue
            self._keep(case.transport, case.load.name, name, repeat, result)

    def _once(self, system: System, case: Case) -> dict[str, Any]:
        if isinstance(case.load, Joins):
            return join_once(system, case.transport, case.load, *self._cores)
        return run_once(system, case.transport, case.load, *self._cores)

    def _keep(self, transport: str, load: str, name: str, repeat: int, result: dict[str, Any]) -> None:
        case = f"{transport}/{load}"
        self.rows.append({"case": case, "system": name, "repeat": repeat, "result": result})
        key, unit, digits = summary.QUANTITIES[summary.quantity_of(load)]
        print(f"{repeat + 1} {case:28} {name:18} {result.get(key, 0):,.{digits}f} {unit}", flush=True)

    def _half_rates(self) -> Iterator[list[Case]]:
        for transport in TRANSPORTS:
            found: dict[str, list[float]] = {}
            for row in self.rows:
                if row["case"] == f"{transport}/n1000-w1-128B":
                    found.setdefault(row["system"], []).append(row["result"]["dps"])
            if "floor" in found:
                rates = {name: summary.spread(each)[0] for name, each in found.items()}
                yield half_rate_cases(transport, rates, 1000)


def expected_minutes(extent: str, groups: Collection[str], repeats: int, found: Collection[str]) -> float:
    """About how long a bench takes on a quiet machine."""
    planned = list(cases(extent, groups))
    if extent != "quick" and "p99" in groups:
        for transport in TRANSPORTS:
            planned += half_rate_cases(transport, _ANY_RATE, 1000)
    batches_s = sum(batch.expected_s(found) * (1 if batch.once else repeats) for batch in batches(groups, extent))
    return (batches_s + expected_s(planned, repeats, found)) / 60
