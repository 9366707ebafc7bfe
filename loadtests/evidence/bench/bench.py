"""A bench while it runs: what it starts, in which order, and the rows that it keeps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from loadtests.evidence.bench import summary
from loadtests.evidence.bench.groups import Batch, batches, systems_in
from loadtests.evidence.bench.matrix import COMPARED, Case, apart, cases, half_rate_cases, together_s, turns
from loadtests.evidence.bench.runs import Joins, join_once, run_once
from loadtests.evidence.bench.started import Result, Running, attempt, started, up
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
        self.took_s: defaultdict[str, float] = defaultdict(float)  # by group

    def run(self, extent: str, groups: Collection[str], repeats: int) -> None:
        """Repeats are outermost within the batches, the cases and the half rates: neighbours are compared."""
        for repeat in range(repeats):
            for batch in batches(groups, extent):
                self._run_batch(batch, repeat)
        for repeat in range(repeats):
            for together in apart(cases(extent, groups)):
                self._run_together(together, repeat)
        if extent != "quick" and "p99" in groups:
            half_rates = list(self._half_rates())
            for repeat in range(repeats):
                for together in half_rates:
                    self._run_together(together, repeat)

    def _run_batch(self, batch: Batch, repeat: int) -> None:
        systems = [self._found[name] for name in systems_in(batch, repeat, self._found)]
        for transport in batch.transports if systems else ():
            with self._timed(batch.name):
                try:
                    for load, name, number, result in batch.run(systems, transport, *self._cores):
                        self._keep(f"{transport}/{load}", name, repeat * batch.passes + number, result)
                except LabError as error:
                    self.failures.append(str(error))

    def _run_together(self, together: Sequence[Case], repeat: int) -> None:
        """Run each once a turn, so that what is compared over cases runs close together too."""
        for asked in turns(together, repeat, self._found):
            systems = [self._found[name] for _, name, _ in asked]
            with self._timed(together[0].group), started(systems, self._cores[0]) as servers:
                for (case, name, number), system, server in zip(asked, systems, servers, strict=True):
                    self._keep(case.name, name, number, attempt(partial(self._once, case, system, server)))

    def _once(self, case: Case, system: System, server: Running | LabError) -> Result:
        if isinstance(case.load, Joins):
            return join_once(system, up(server), case.transport, case.load, self._cores[1])
        return run_once(system, up(server), case.transport, case.load, self._cores[1])

    def _keep(self, case: str, name: str, repeat: int, result: Result | LabError) -> None:
        if isinstance(result, LabError):
            self.failures.append(str(result))
            return
        self.rows.append({"case": case, "system": name, "repeat": repeat, "result": result})
        key, unit, digits = summary.QUANTITIES[summary.quantity_of(case.partition("/")[2])]
        print(f"{repeat + 1} {case:28} {name:18} {result.get(key, 0):,.{digits}f} {unit}", flush=True)

    @contextmanager
    def _timed(self, group: str) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.took_s[group] += time.monotonic() - began_s

    def _half_rates(self) -> Iterator[list[Case]]:
        for transport in TRANSPORTS:
            found: dict[str, list[float]] = {}
            for row in self.rows:
                if row["case"] == f"{transport}/n1000-w1-128B":
                    found.setdefault(row["system"], []).append(row["result"]["dps"])
            if "floor" in found:
                rates = {name: summary.spread(each)[0] for name, each in found.items()}
                yield half_rate_cases(transport, rates, 1000)


def expected_s(extent: str, groups: Collection[str], repeats: int, found: Collection[str]) -> Mapping[str, float]:
    """About how long each group of a bench takes on a quiet machine."""
    planned = list(apart(cases(extent, groups)))
    if extent != "quick" and "p99" in groups:
        planned += [half_rate_cases(transport, _ANY_RATE, 1000) for transport in TRANSPORTS]
    expected: defaultdict[str, float] = defaultdict(float)
    for batch in batches(groups, extent):
        for repeat in range(repeats):
            names = systems_in(batch, repeat, found)
            expected[batch.name] += batch.expected_s(names) * len(batch.transports)
    for together in planned:
        expected[together[0].group] += together_s(together, repeats, found)
    return expected


def minutes(seconds: Mapping[str, float]) -> str:
    """A sum, and its parts by group."""
    parts = ", ".join(f"{group} {each / 60:.1f}" for group, each in seconds.items())
    return f"{sum(seconds.values()) / 60:.1f} minutes ({parts})"
