"""One trial: the fault server and a generator as processes of their own, and what the generator wrote.

Where there are two cores or more, the server has the first and the generator the second.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from core.catalogue import records
from loadtests.evidence.calibration.faults import Faults
from loadtests.records.cell_spec import CellSpec, GeneratorResult, Load, Progress
from loadtests.records.errors import LabError
from loadtests.records.schema import ABSENT_NS, Phase
from loadtests.run.generators import MODULE, Generator
from loadtests.run.process import available_cores, divide_cores, end_with_us, running_on

RAW_USERS = tuple(record.load.user_name for record in records().values() if record.proof.wire is not None)
_STOP_S = 5.0

Column = npt.NDArray[np.int64]


class TrialError(LabError):
    """The trial gave no result; the message holds what the process said."""


@dataclass(frozen=True)
class Trial:
    """What came of it. The columns are those of the measured phase."""

    exit_code: int
    result: GeneratorResult
    progress: tuple[Progress, ...]
    samples: dict[str, Column]
    publishes: dict[str, Column]
    folder: Path  # where its whole tables lie

    @property
    def latencies_ms(self) -> npt.NDArray[np.float64]:
        """Delivery latency from the scheduled instant to the kernel's receive stamp, or to the user's without one.

        NaN of a publication that another clock stamped.
        """
        kernel_ns, user_ns = self.samples["kernel_rx_ns"], self.samples["user_rx_ns"]
        received_ns, scheduled_ns = np.where(kernel_ns == ABSENT_NS, user_ns, kernel_ns), self.samples["scheduled_ns"]
        latencies_ms = np.asarray((received_ns - scheduled_ns) / 1e6, dtype=np.float64)
        return np.where(scheduled_ns == ABSENT_NS, np.nan, latencies_ms)


@contextmanager
def fault_server(faults: Faults) -> Iterator[int]:
    """Run a fault server; yields its port."""
    with fault_server_process(faults) as (port, _):
        yield port


@contextmanager
def fault_server_process(faults: Faults) -> Iterator[tuple[int, int]]:
    """Run a fault server; yields its port and its process id."""
    command = [sys.executable, "-m", "loadtests.evidence.calibration.faultserver"]
    with running_on(divide_cores(available_cores()).server):
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, "--faults", msgspec.json.encode(faults).decode()],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=end_with_us(),
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise TrialError(f"the fault server did not start (exit code {process.wait(_STOP_S)})")
        yield int(json.loads(line)["port"]), process.pid
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that was frozen takes its end only then
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)
        assert process.stdout is not None
        process.stdout.close()


def describe_cell(user_class: str, port: int, load: Load, **settings: float) -> CellSpec:
    """Make the spec of a trial's cell; `settings` are CellSpec's timings."""
    defaults: dict[str, float] = {"warm_up_s": 0.5, "measured_s": 4.0, "grace_s": 0.5, "connect_timeout_s": 20.0}
    names = tuple(f"room-{room}" for room in range(load.rooms))
    fields = {"cell": "trial", "user_class": user_class, "host": f"http://127.0.0.1:{port}", "tokens": ("token",)}
    return msgspec.convert({**fields, "room_names": names, "load": load, **defaults, **settings}, CellSpec)


def run_generator(spec: CellSpec, folder: Path, module: Sequence[str] = MODULE) -> Trial:
    """Run one generator, or a `module` in place of its own, to its end; raises TrialError where it left nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    progress: list[Progress] = []
    limit_s = 60 + spec.connect_timeout_s + spec.warm_up_s + spec.measured_s + spec.hold_s + spec.grace_s
    log = folder / "generator.log"
    ours = divide_cores(available_cores()).generator
    with Generator(spec, folder, log=log, on_cores=ours, module=module) as generator:
        for reported in generator.progress(limit_s):
            progress += reported
        exit_code = generator.exit_code(_STOP_S)
    if exit_code is None or not (folder / "generator.json").exists():
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise TrialError(f"the generator left no result (exit code {exit_code}): {said}")
    return Trial(
        exit_code=exit_code,
        result=msgspec.json.decode((folder / "generator.json").read_bytes(), type=GeneratorResult),
        progress=tuple(progress),
        samples=measured_rows(folder / "samples.parquet"),
        publishes=measured_rows(folder / "publishes.parquet"),
        folder=folder,
    )


def run_trial(user_class: str, load: Load, faults: Faults, folder: Path, **settings: float) -> Trial:
    """Run a fault server and a generator against it."""
    with fault_server(faults) as port:
        return run_generator(describe_cell(user_class, port, load, **settings), folder)


def measured_rows(path: Path) -> dict[str, Column]:
    """Return the columns of the measured phase of a generator's table."""
    table = pq.read_table(path)
    inside = table.column("phase").to_numpy() == Phase.MEASURED
    return {name: table.column(name).to_numpy()[inside] for name in table.column_names if name != "cell"}
