"""Each server by both clients in turn, in one life of the server; and the table of all."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from loadtests.records import adapter as adapters
from loadtests.records.adapter import Adapter
from loadtests.records.errors import LabError
from loadtests.report.marked import filled
from loadtests.run import scenario, started
from loadtests.run.cell import Bench
from loadtests.run.experiment import Experiment, bench_of, conduct
from loadtests.run.foreign import LOOPBACK_HOST, Foreign
from loadtests.run.links.route import LOOPBACK_ROUTE
from loadtests.run.process import running_on
from loadtests.run.progress import PlainDisplay
from loadtests.run.servers import ServerSettings, free_port
from loadtests.run.targets import of_foreign
from tests.targets.install import HERE, SBIN, Missing, folder, not_measured
from tests.targets.own_client.client import MEASURED_S, WARM_UP_S, Failed, measured
from tests.targets.own_client.speech import SPEECH, Speech
from tests.targets.protocols import wrong

REPEATS = 3
BYTES_PERCENT, CPU_PERCENT = 3.0, 10.0
PAGE = HERE.parents[1] / "docs" / "methodology.md"
BEGIN = "<!-- Written by `make targets ARGS=--own-client`. -->"
_HEAD = (
    "| server | bytes, own client | the lab | off | CPU, own client | the lab | off |",
    "|---|---|---|---|---|---|---|",
)

Cost = tuple[float, float]
"""Bytes received, and microseconds of the server's CPU, per delivery."""


@dataclass(frozen=True)
class Row:
    """What both clients found of one server, measured in turn.

    Bytes are medians. CPU is the least of a client's measurements: what else runs on the machine only adds to it.
    """

    name: str
    own: Sequence[Cost]
    lab: Sequence[Cost]

    @property
    def bytes_off_percent(self) -> float:
        """How far the lab's bytes are off the own client's."""
        own, lab = (statistics.median(size for size, _ in each) for each in (self.own, self.lab))
        return 100 * (lab / own - 1)

    @property
    def cpu_off_percent(self) -> float:
        """How far the server's CPU with the lab is off that with the own client."""
        own, lab = (min(cpu for _, cpu in each) for each in (self.own, self.lab))
        return 100 * (lab / own - 1)

    @property
    def beyond(self) -> str:
        """Say which bar it misses; empty where it keeps both."""
        held = (("bytes", self.bytes_off_percent, BYTES_PERCENT), ("CPU", self.cpu_off_percent, CPU_PERCENT))
        missed = [f"{name} {off:+.1f} % off, more than {limit:g} %" for name, off, limit in held if abs(off) > limit]
        return f"{self.name}: {', '.join(missed)}" if missed else ""

    @property
    def line(self) -> str:
        """Its line in the table."""
        sizes = (f"{statistics.median(size for size, _ in each):.1f} B" for each in (self.own, self.lab))
        cpus = ([cpu for _, cpu in each] for each in (self.own, self.lab))
        spent = (f"{min(each):.1f} µs (to {max(each):.1f})" for each in cpus)
        off = f"{self.bytes_off_percent:+.2f} %", f"{self.cpu_off_percent:+.1f} %"
        return f"| {self.name} | {' | '.join(sizes)} | {off[0]} | {' | '.join(spent)} | {off[1]} |"


def main() -> int:
    """Measure, print, write the table into the page; return the exit code: 1 where a bar is missed."""
    try:
        made = folder()
    except Missing as error:
        return not_measured("own client:", error)
    os.environ["PATH"] += SBIN
    bench, rows, complaints = bench_of(ServerSettings()), list[Row](), list[str]()
    print("\n".join(_HEAD), flush=True)
    for name, speech in SPEECH.items():
        try:
            rows.append(compared(made / "adapters" / f"{name}.toml", speech, bench))
        except (LabError, Failed, OSError) as error:
            complaints.append(f"{name}: {error}")
            continue
        print(rows[-1].line, flush=True)
    complaints += [row.beyond for row in rows if row.beyond]
    for complaint in complaints:
        print(f"own client: {complaint}", file=sys.stderr)
    if len(rows) == len(SPEECH):
        PAGE.write_text(filled(PAGE.name, PAGE.read_text(encoding="utf-8"), BEGIN, table(rows)), encoding="utf-8")
    return int(bool(complaints))


def table(rows: Sequence[Row]) -> str:
    """Return the table, and below it which bars were missed."""
    missed = "; ".join(filter(None, (row.beyond for row in rows)))
    return "\n".join([*_HEAD, *(row.line for row in rows), "", f"Beyond the bars: {missed or 'none'}."])


def compared(path: Path, speech: Speech, bench: Bench) -> Row:
    """Start a server, and measure it by both clients in turn. Raises LabError, Failed, OSError."""
    (adapter,) = adapters.find(str(path))
    own, lab, port = list[Cost](), list[Cost](), free_port()
    with tempfile.TemporaryDirectory(prefix="rtlab-own-client-") as name:
        scratch = Path(name)
        foreign = Foreign(LOOPBACK_HOST, 0, adapter)
        log, cores = scratch / "server.log", bench.cores
        with started.opened(
            foreign, port, LOOPBACK_ROUTE, log=log, folder=scratch / "server", on_cores=cores.server
        ) as server:
            server.wait_ready(lambda: None)
            pids = server.processes()
            runs = msgspec.structs.replace(adapter, server=None, pids=pids)
            with running_on(cores.generator):
                measured(port, pids, speech)  # a runtime compiles what it runs first
            for _ in range(REPEATS):
                with running_on(cores.generator):
                    own.append(measured(port, pids, speech))
                lab.append(_by_lab(runs, port, bench, scratch))
    return Row(adapter.name, own, lab)


def _by_lab(adapter: Adapter, port: int, bench: Bench, runs: Path) -> Cost:
    """Measure one cell of the scenario of all targets, as long as the other client measures."""
    asked = scenario.find(str(HERE / "targets.toml"))
    asked = msgspec.structs.replace(asked, blocks=1, warm_up_s=WARM_UP_S, measured_s=MEASURED_S)
    target = of_foreign(Foreign(LOOPBACK_HOST, port, adapter))
    done = conduct(
        Experiment(asked, (target,), seed=1, runs_folder=runs, bench=bench, passes=0),
        show=lambda planned: PlainDisplay(Console(quiet=True), planned),
    )
    if complaints := wrong(done.run, {adapter.name}):
        raise Failed(f"the lab's cell: {complaints[0]}")
    costs = done.run.cells[0].costs
    size, cpu = (costs.wire_bytes_down_per_delivery, costs.server_cpu_us_per_delivery) if costs else (None, None)
    if size is None or cpu is None:
        raise Failed("the lab's cell has no bytes or no CPU")
    return size, cpu
