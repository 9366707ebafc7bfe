"""`python -m loadtests.evidence.bench`: run the matrix, print and keep the medians."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from loadtests.evidence.bench import charts, document, summary
from loadtests.evidence.bench.bench import Bench, expected_s, minutes
from loadtests.evidence.bench.choice import chosen, typed
from loadtests.evidence.bench.groups import GROUPS
from loadtests.evidence.bench.peers import ON_NODE, on_node, python_socketio
from loadtests.evidence.bench.redis_script import MINIMAL_SCRIPT
from loadtests.evidence.bench.systems import System, systems
from loadtests.evidence.bench.tables import report
from loadtests.records.errors import LabError
from loadtests.run.manifest import git, short_commit


def main() -> None:
    """Exit with 1 when anything was lost or a system could not be run."""
    options = _options()
    found = {system.name: system for system in _found(options)}
    expected = minutes(expected_s(options.extent, options.only, options.repeats, found))
    print(f"systems: {', '.join(found)}; on a quiet machine about {expected}", flush=True)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    server_cores, client_cores = map(frozenset, (cores[:1], cores[1:2]) if len(cores) > 1 else ((), ()))
    bench = Bench(found, server_cores, client_cores)
    bench.run(options.extent, options.only, options.repeats)
    options.out.mkdir(parents=True, exist_ok=True)
    _write(options.out, bench, options)
    print(report(bench.rows))
    print(f"it took {minutes(bench.took_s)}")
    print(f"lost deliveries: {summary.lost(bench.rows)}; written to {options.out}/bench.json")
    for failure in bench.failures:
        print(f"failed: {failure}", file=sys.stderr)
    sys.exit(1 if bench.failures or summary.lost(bench.rows) else 0)


def _found(options: argparse.Namespace) -> list[System]:
    found = systems()
    if {"rooms", "redis"} & set(options.only):
        found += [python_socketio(), MINIMAL_SCRIPT]
    names = [*(system.name for system in found), *(ON_NODE if "rooms" in options.only else ())]
    try:
        wanted = chosen(options.systems, names) if options.systems else names
    except LabError as error:
        sys.exit(f"--systems {error}")
    if {*ON_NODE} & {*wanted}:  # else nothing is installed
        found += on_node(lambda line: print(line, file=sys.stderr, flush=True))
    missing = {*wanted} - {system.name for system in found}
    if options.systems and missing:
        sys.exit(f"--systems {', '.join(map(typed, missing))}: cannot be had here")
    return [system for system in found if system.name in wanted]


def _write(folder: Path, bench: Bench, options: argparse.Namespace) -> None:
    content: dict[str, Any] = {
        "schema_version": 1,
        "commit": short_commit(git(document.ROOT)),
        "ended_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "repeats": options.repeats,
        "extent": options.extent,
        "groups": options.only,
        "fast_path_statements": document.fast_path_statements(),
        "machine": {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "took_s": {group: round(seconds, 1) for group, seconds in bench.took_s.items()},
        "rows": bench.rows,
        "failures": bench.failures,
    }
    path = folder / "bench.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
    if {"floor", "nchan"} & set(options.only):
        charts.draw(bench.rows, folder / "bench.svg", 100 if options.extent == "quick" else 1000)
    if {"rooms", "post"} & set(options.only):
        charts.draw_rooms(bench.rows, folder / "rooms.svg")
    (folder / "bench.md").write_text(f"{report(bench.rows).rstrip()}\n", encoding="utf-8")


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
    parser.add_argument("--systems", help="of direct, portable, bare (plain Starlette), ws, socket.io, …; default all")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", dest="extent", action="store_const", const="quick", help="N = 100 only, no memory")
    extent.add_argument(
        "--full", dest="extent", action="store_const", const="full", help="also how cost grows, sizes and payloads"
    )
    parser.set_defaults(extent="default")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    parser.add_argument("--out", type=Path, default=Path("results/runs") / f"{stamp}-bench", help="folder to write to")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: at least 1 is needed")
    return options


if __name__ == "__main__":
    main()
