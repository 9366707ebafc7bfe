"""A synthetic run over several round trips and rates, with the CPU of each transport planted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadtests.records.schema import PUBLISHES, SAMPLES, TIMELINE, Cell, Run
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

RTTS_MS, RATES_PER_S = (0.0, 20.0, 100.0, 300.0), (2.0, 10.0, 40.0)
_ONE_WAY_MS = {"websocket": 0.5, "longpoll": 0.9}


def make_sweep(folder: Path, cpu_us: Mapping[str, float]) -> None:
    """Write a run of the kind `sweep`: pushes take one transit, long polls twice that, short polls up to a second.

    `cpu_us`: server CPU per delivery by transport; half of it at 40 messages a second for polls.
    """
    cells: list[Cell] = []
    for rtt_ms in RTTS_MS:
        truths = {
            name: Truth(base_ms=0.3 + rtt_ms * _ONE_WAY_MS.get(name, 0.5), spread=0.01, grid=name == "shortpoll")
            for name in cpu_us
        }
        loads = tuple((f"sweep-{rtt_ms:g}-{rate:g}", 40, rate) for rate in RATES_PER_S)
        part = make_run(folder / f"part{rtt_ms:g}", Plan(truths=truths, loads=loads, fan_out=(), blocks=1))
        cells += [_swept(cell, rtt_ms, cpu_us) for cell in part.cells if cell.kind == "latency"]
        run = part
    _merge(folder, msgspec.structs.replace(run, cells=tuple(cells)))


def _swept(cell: Cell, rtt_ms: float, cpu_us: Mapping[str, float]) -> Cell:
    assert cell.costs is not None
    share = 0.5 if cell.rate_per_s == 40 and "poll" in cell.transport else 1.0
    costs = msgspec.structs.replace(cell.costs, server_cpu_us_per_delivery=share * cpu_us[cell.transport])
    link = f"rtt={rtt_ms:g}ms" if rtt_ms else "loopback"
    return msgspec.structs.replace(cell, kind="sweep", link=link, costs=costs)


def _merge(folder: Path, run: Run) -> None:
    """Write the parts' rows as one run, without those of memory cells."""
    known = pa.array([cell.id for cell in run.cells])
    for name, schema in (("samples", SAMPLES), ("publishes", PUBLISHES), ("timeline", TIMELINE)):
        parts = [pq.read_table(part / f"{name}.parquet") for part in sorted(folder.glob("part*"))]
        rows = pa.concat_tables(parts)
        rows = rows.set_column(0, "cell", rows["cell"].cast(pa.string()))
        pq.write_table(rows.filter(pc.is_in(rows["cell"], known)).cast(schema), folder / f"{name}.parquet")
    (folder / "run.json").write_bytes(msgspec.json.encode(run))
