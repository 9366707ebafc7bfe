"""One run of the load client against one system."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

import msgspec

from loadtests.bench.build import BenchError, compiled
from loadtests.bench.stalled import stalled
from loadtests.bench.systems import MODE, System, pinning

_SLACK_S = 90.0  # connecting, settling and draining, at the most


@dataclass(frozen=True)
class Load:
    """What the client does: a window of messages in flight, or an open-loop rate; or only memory."""

    subscribers: int
    window: int = 0
    rate_per_s: float = 0.0
    payload_bytes: int = 128
    memory: bool = False
    stalled: int = 0  # further subscribers that never read
    measured_s: float = 1.5
    warm_up_s: float = 0.5

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        if self.memory:
            return f"memory-{self.subscribers}"
        pace = f"w{self.window}" if self.window else f"r{self.rate_per_s:.4g}"
        stalled = f"-{self.stalled}stalled" if self.stalled else ""
        return f"n{self.subscribers}-{pace}-{self.payload_bytes}B{stalled}"


def run_once(
    system: System, transport: str, load: Load, server_core: int | None, client_core: int | None
) -> dict[str, Any]:
    """What the client printed: deliveries per second `dps`, `us_per_del` of server CPU, percentiles, `missing`, ….

    Raises BenchError when it could not run.
    """
    with system.running(server_core) as server, stalled(server.port, transport, load.stalled):
        command = [str(compiled("loadgen")), "--mode", MODE[transport], "-n", str(load.subscribers)]
        command += ["--port", str(server.port), "--pids", ",".join(map(str, server.pids))]
        command += ["--size", str(load.payload_bytes), *system.client(transport)]
        command += ["--dur", str(load.measured_s), "--warm", str(load.warm_up_s)]
        if load.memory:
            command += ["--mem"]
        elif load.window:
            command += ["--window", str(load.window)]
        else:
            command += ["--rate", str(load.rate_per_s)]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=load.measured_s + load.warm_up_s + _SLACK_S,
                preexec_fn=pinning(client_core),
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{system.name} {transport} {load.name}: the client did not end") from None
    if done.returncode or not done.stdout.strip():
        raise BenchError(f"{system.name} {transport} {load.name}: {(done.stderr or done.stdout).strip()[-300:]}")
    result: dict[str, Any] = msgspec.json.decode(done.stdout.strip().splitlines()[-1])
    return result
