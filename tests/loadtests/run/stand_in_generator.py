"""A generator without sockets: writes the tables of a perfect cell, or of one with a planted fault.

Forked as `main([FAULT, SPEC.json, OUT_DIR])`, FAULT one of FAULTS.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from loadtests.records.cell_spec import CellSpec, Progress
from tests.loadtests.run import synthetic

FAULTS = ("none", "lost", "cut", "failed", "crash", "hang", "no-tables")


def say(event: str, **fields: object) -> None:
    """Tell one line of progress."""
    line = msgspec.json.encode({"event": event, "at_ns": time.monotonic_ns(), **fields})
    print(msgspec.json.encode(msgspec.json.decode(line, type=Progress)).decode(), flush=True)


def main(arguments: list[str]) -> int:
    fault, spec_path, out = arguments[0], Path(arguments[1]), Path(arguments[2])
    spec = msgspec.json.decode(spec_path.read_bytes(), type=CellSpec)
    print("a library that prints", flush=True)
    say("connecting")
    if fault == "failed":
        say("failed", message="no connection to the server")
        return 1
    if fault == "crash":
        sys.exit("it broke")
    say("connected", connected=spec.load.subscribers)
    time.sleep(spec.warm_up_s)
    from_ns = time.monotonic_ns()
    time.sleep(3600 if fault == "hang" else spec.hold_s + spec.measured_s)
    if spec.hold_s:
        say("held", connected=spec.load.subscribers)
    if fault != "no-tables":
        cell = synthetic.cell_tables(spec, from_ns=from_ns, to_ns=time.monotonic_ns())
        samples = cell.samples.slice(1) if fault == "lost" else cell.samples
        pq.write_table(samples, out / "samples.parquet")
        pq.write_table(cell.publishes, out / "publishes.parquet")
        errors = {"WS connection ended: go away! (4000)": 2} if fault == "cut" else {}
        result = msgspec.structs.replace(cell.result, reconnects=sum(errors.values()), errors=errors)
        (out / "generator.json").write_bytes(msgspec.json.encode(result))
    say("over", delivered=1)
    say("done", delivered=1)
    return 0
