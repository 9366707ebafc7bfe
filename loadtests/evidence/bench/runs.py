"""One run of the load client against one system."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

import msgspec

from loadtests.evidence.bench.build import BenchError, compiled
from loadtests.evidence.bench.stalled import stalled
from loadtests.evidence.bench.systems import MODE, Running, System, pinning
from loadtests.run.process import end_with_us

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
    rooms: int = 0  # that the subscribers are spread over, POSTs to each; 0: one room, and its transport's own upstream
    measured_s: float = 1.2
    warm_up_s: float = 0.4

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        if self.memory:
            return f"memory-{self.subscribers}"
        pace = f"w{self.window}" if self.window else f"r{self.rate_per_s:.4g}"
        stalled = f"-{self.stalled}stalled" if self.stalled else ""
        rooms = f"-{self.rooms}rooms" if self.rooms else ""
        return f"n{self.subscribers}-{pace}-{self.payload_bytes}B{rooms}{stalled}"

    def arguments(self) -> list[str]:
        """Of the load client."""
        arguments = ["-n", str(self.subscribers), "--size", str(self.payload_bytes)]
        arguments += ["--dur", str(self.measured_s), "--warm", str(self.warm_up_s)]
        if self.rooms:
            arguments += ["--rooms", str(self.rooms)]
        if self.memory:
            return [*arguments, "--mem"]
        if self.window:
            return [*arguments, "--window", str(self.window)]
        return [*arguments, "--rate", str(self.rate_per_s)]


def run_once(
    system: System, transport: str, load: Load, server_core: int | None, client_core: int | None
) -> dict[str, Any]:
    """What the client printed: deliveries per second `dps`, `us_per_del` of server CPU, percentiles, `missing`, ….

    Raises BenchError when it could not run.
    """
    client = system.rooms_client if load.rooms else system.client
    if client is None:
        raise BenchError(f"{system.name} has one room; {load.name} is for several")
    with system.running(server_core) as server, stalled(server.port, transport, load.stalled):
        arguments = [*client(transport), *load.arguments()]
        limit_s = load.measured_s + load.warm_up_s + _SLACK_S
        return client_result(
            f"{system.name} {transport} {load.name}", server, transport, arguments, client_core, limit_s
        )


def client_result(
    what: str, server: Running, transport: str, arguments: list[str], core: int | None, limit_s: float = _SLACK_S
) -> dict[str, Any]:
    """Run the load client against a server and read what it prints. Raises BenchError, naming `what`."""
    command = [str(compiled("loadgen")), "--mode", MODE[transport], "--port", str(server.port)]
    command += ["--pids", ",".join(map(str, server.pids)), *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
            preexec_fn=end_with_us(pinning(core)),
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{what}: the client did not end in {limit_s:g} s") from None
    if done.returncode or not done.stdout.strip():
        raise BenchError(f"{what}: {(done.stderr or done.stdout).strip()[-300:]}")
    result: dict[str, Any] = msgspec.json.decode(done.stdout.strip().splitlines()[-1])
    return result
