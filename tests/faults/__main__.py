"""`python -m tests.faults [--full] [--only NAME…] [--out FILE]`: run the scenarios and write the table."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import uvloop

from loadtests.run.own_redis import find_redis
from tests.contracts.kit.pool import FANOUTS
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import Row, Run, Table


def main() -> int:
    """Run; 0 when every bar was met."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole table, about 20 minutes; else a short form")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="NAME")
    parser.add_argument("--fanout", choices=FANOUTS, default="direct")
    parser.add_argument("--tls", action="store_true", help="https and wss")
    parser.add_argument("--out", type=Path, help="where to write the table as JSON")
    options = parser.parse_args()
    program = find_redis()
    if program is None:
        print("faults: no redis-server or valkey-server on this machine", file=sys.stderr)
        return 1
    os.environ["FAULTS_FANOUT"] = options.fanout
    os.environ["FAULTS_TLS"] = str(int(options.tls))
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split(" sha")[0]
    table = Table("full" if options.full else "quick", options.fanout, version.strip())
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for name in options.only:
            table.rows += _run(name, Path(folder), full=options.full)
    table.seconds = time.monotonic() - began_s
    if options.out is not None:
        table.write(options.out)
    return 0 if all(row.passed for row in table.rows) else 1


def _run(name: str, folder: Path, *, full: bool) -> list[Row]:
    run = Run(folder, full)
    began_s = time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the subscribers must not be the bottleneck
            rows = runner.run(SCENARIOS[name](Run(run.sub(name), full)))
    except Exception as error:  # noqa: BLE001  the other scenarios still run; the row says what happened
        traceback.print_exc()
        rows = [Row(name, "", "runs to its end", {"error": f"{type(error).__name__}: {error}"}, False)]
    for row in rows:
        mark = "ok  " if row.passed else "FAIL"
        print(f"{mark} {row.scenario} [{row.variant}] {row.bar}\n     {row.measured}", flush=True)
    print(f"     {time.monotonic() - began_s:.1f} s", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
