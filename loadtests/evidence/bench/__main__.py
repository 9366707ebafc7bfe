"""`python -m loadtests.evidence.bench`: run the matrix, print and keep the medians."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from loadtests.evidence.bench import bars, document, summary
from loadtests.evidence.bench.matrix import COMPARED, Case, cases, expected_s, half_rate_cases
from loadtests.evidence.bench.peers import peers
from loadtests.evidence.bench.rooms import ROOMS, RoomsGroup, run_rooms
from loadtests.evidence.bench.runs import Joins, join_once, run_once
from loadtests.evidence.bench.systems import TRANSPORTS, System, systems
from loadtests.records.errors import LabError

GROUPS: Final = (*(group.name for group in ROOMS), "fan-out")
_SHORT: Final = {"bare": "plain Starlette"}


def main() -> None:
    """Exit with 1 when anything was lost or a system could not be run."""
    options = _options()
    found = {system.name: system for system in _found(options)}
    print(
        f"systems: {', '.join(found)}; about {_expected_minutes(options, found):.1f} minutes on a quiet machine",
        flush=True,
    )
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    server_cores, client_cores = map(frozenset, (cores[:1], cores[1:2]) if len(cores) > 1 else ((), ()))
    bench = _Bench(found, server_cores, client_cores)
    for group in ROOMS:
        if group.name in options.only:
            for repeat in range(options.repeats):
                bench.run_rooms(group, repeat)
    if "fan-out" in options.only:
        _fan_out(bench, options)
    options.out.mkdir(parents=True, exist_ok=True)
    _write(options.out, bench, options)
    print(_report(bench.rows))
    print(f"lost deliveries: {summary.lost(bench.rows)}; written to {options.out}/bench.json")
    for failure in bench.failures:
        print(f"failed: {failure}", file=sys.stderr)
    sys.exit(1 if bench.failures or summary.lost(bench.rows) else 0)


def _found(options: argparse.Namespace) -> list[System]:
    found = systems()
    if "rooms" in options.only:
        found += peers(lambda line: print(line, file=sys.stderr, flush=True))
    names = [system.name for system in found]
    wanted = [_SHORT.get(name, name) for name in options.systems.split(",")] if options.systems else names
    unknown = [name for name in wanted if name not in names]
    if unknown:
        sys.exit(f"--systems {', '.join(unknown)}: not among those that can be had here: {', '.join(names)}")
    return [system for system in found if system.name in wanted]


def _fan_out(bench: _Bench, options: argparse.Namespace) -> None:
    for repeat in range(options.repeats):
        for case in cases(options.extent):
            if not (case.once and repeat):
                bench.run([case], repeat)
    if options.extent != "quick":
        half_rates = _half_rates(bench.rows)
        for repeat in range(options.repeats):
            for together in half_rates:
                bench.run(together, repeat)


class _Bench:
    def __init__(self, found: dict[str, System], server_cores: frozenset[int], client_cores: frozenset[int]) -> None:
        self._found = found
        self._cores = server_cores, client_cores
        self.rows: list[summary.Row] = []
        self.failures: list[str] = []

    def run(self, together: list[Case], repeat: int) -> None:
        """Run each once a turn, so that what is compared over cases runs close together too."""
        for turn in range(together[0].turns):
            for case in together:
                self._run(case, case.systems_in(turn), repeat * case.turns + turn)

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

    def run_rooms(self, group: RoomsGroup, repeat: int) -> None:
        """Run small rooms on each system once, all loads on one server after the other."""
        for transport in group.transports:
            for name in group.systems:
                if name not in self._found:
                    continue
                try:
                    for load, result in run_rooms(self._found[name], transport, group.loads, *self._cores):
                        self._keep(transport, load.name, name, repeat, result)
                except LabError as error:
                    self.failures.append(str(error))

    def _keep(self, transport: str, load: str, name: str, repeat: int, result: dict[str, Any]) -> None:
        case = f"{transport}/{load}"
        self.rows.append({"case": case, "system": name, "repeat": repeat, "result": result})
        key, unit, digits = summary.QUANTITIES[summary.quantity_of(load)]
        print(f"{repeat + 1} {case:28} {name:18} {result.get(key, 0):,.{digits}f} {unit}", flush=True)

    def _once(self, system: System, case: Case) -> dict[str, Any]:
        if isinstance(case.load, Joins):
            return join_once(system, case.transport, case.load, *self._cores)
        return run_once(system, case.transport, case.load, *self._cores)


def _expected_minutes(options: argparse.Namespace, found: Collection[str]) -> float:
    rooms_s: float = sum(group.expected_s(found) for group in ROOMS if group.name in options.only)
    repeats: int = options.repeats
    return rooms_s * repeats / 60 + (_fan_out_minutes(options) if "fan-out" in options.only else 0.0)


def _fan_out_minutes(options: argparse.Namespace) -> float:
    planned = list(cases(options.extent))
    if options.extent != "quick":
        for transport in TRANSPORTS:  # how long they take does not depend on the rate
            planned += half_rate_cases(transport, dict.fromkeys(COMPARED, 100_000.0), 1000)
    return expected_s(planned, options.repeats) / 60


def _report(rows: list[summary.Row]) -> str:
    grown = bars.growth_markdown(rows)
    parts = {
        "### Bars": bars.markdown(rows),
        "### Small rooms, one message in flight in each": summary.rooms_markdown(rows),
        "### How cost grows": grown,
        "": summary.markdown(rows).rstrip(),
        "### Who is the bottleneck": summary.busy(rows),
    }
    return "\n\n".join(f"{title}\n\n{text}".lstrip() for title, text in parts.items() if text)


def _half_rates(rows: list[summary.Row]) -> list[list[Case]]:
    made: list[list[Case]] = []
    for transport in TRANSPORTS:
        found: dict[str, list[float]] = {}
        for row in rows:
            if row["case"] == f"{transport}/n1000-w1-128B":
                found.setdefault(row["system"], []).append(row["result"]["dps"])
        if "floor" in found:
            rates = {name: summary.spread(each)[0] for name, each in found.items()}
            made.append(half_rate_cases(transport, rates, 1000))
    return made


def _write(folder: Path, bench: _Bench, options: argparse.Namespace) -> None:
    content: dict[str, Any] = {
        "schema_version": 1,
        "ended_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "repeats": options.repeats,
        "extent": options.extent,
        "machine": {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "rows": bench.rows,
        "failures": bench.failures,
    }
    path = folder / "bench.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
    if "fan-out" in options.only:
        document.draw(bench.rows, folder / "bench.svg", 100 if options.extent == "quick" else 1000)
    (folder / "bench.md").write_text(f"{_report(bench.rows).rstrip()}\n", encoding="utf-8")


def _groups(words: str) -> tuple[str, ...]:
    wanted = words.split(",")
    unknown = [word for word in wanted if word not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: no such group, there are {', '.join(GROUPS)}")
    return tuple(wanted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case, at the least (default 3)")
    parser.add_argument("--only", type=_groups, default=GROUPS, help=f"groups to run, of {', '.join(GROUPS)}")
    parser.add_argument("--systems", help='systems to run, by name ("bare": plain Starlette); default all')
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", dest="extent", action="store_const", const="quick", help="N = 100 only, no memory")
    extent.add_argument("--full", dest="extent", action="store_const", const="full", help="also sizes and payloads")
    parser.set_defaults(extent="default")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    parser.add_argument("--out", type=Path, default=Path("results/runs") / f"{stamp}-bench", help="folder to write to")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: at least 1 is needed")
    return options


if __name__ == "__main__":
    main()
