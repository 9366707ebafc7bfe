"""Coordinated omission, shown once: a server that stalls, measured from a schedule and by a closed loop."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from websockets.sync.client import connect

from loadtests.evidence.calibration import suite
from loadtests.evidence.calibration.trial import TrialError, fault_server
from loadtests.records.calibration import Distribution, Omission
from loadtests.run.targets import target

_TRANSPORT = "websocket"
_POINTS = 120
_MIN_BEYOND = 1  # of some 200 messages: enough to show what hides, less than any other table demands
_ROOM = "closed-loop"
_TIMEOUT_S = 10.0


def closed_loop_ms(port: int, *, rate_per_s: float, warm_up_s: float, measured_s: float) -> npt.NDArray[np.float64]:
    """Measure by a closed loop, as most load tools have it: the next message waits for the last one.

    Sends on a WebSocket, waits until its own message has come back, and then for the next instant of its rate. While
    the server stalls it sends nothing, so that one message alone shows the stall. Returns the latency of each message
    from sending to receiving, in ms; raises TimeoutError, OSError.
    """
    found: list[float] = []
    interval_s = 1 / rate_per_s
    with connect(f"ws://127.0.0.1:{port}/rooms/{_ROOM}/ws", compression=None) as socket:
        socket.send('{"type":"hello","token":"token"}')
        socket.recv(_TIMEOUT_S)
        started = due = time.monotonic()
        while due < started + warm_up_s + measured_s:
            time.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            socket.send(f'{{"type":"chat","content":"{len(found)}","ref":"{len(found)}"}}')
            while '"content"' not in str(socket.recv(_TIMEOUT_S)):
                pass  # the acknowledgement
            received = time.monotonic()
            if due >= started + warm_up_s:
                found.append(1e3 * (received - sent))
            # The next whole interval after the answer: what fell due meanwhile is never sent.
            due = max(due + interval_s, received)
    return np.array(found)


def show(folder: Path) -> Omission:
    """Measure both ways, some ten seconds each; raises TrialError."""
    found, trial = suite.stalled(target(_TRANSPORT), folder)
    faults, load = found.faults, found.load
    measured_s = (trial.result.measured_to_ns - trial.result.measured_from_ns) / 1e9
    # One latency per message: the first subscriber's.
    scheduled = trial.latencies_ms[trial.samples["subscriber"] == 0]
    with fault_server(faults) as port:
        try:
            closed = closed_loop_ms(port, rate_per_s=load.rate_per_s, warm_up_s=0.5, measured_s=measured_s)
        except (OSError, TimeoutError) as error:
            raise TrialError(f"the closed loop failed: {error}") from error
    return Omission(
        transport=_TRANSPORT,
        rate_per_s=load.rate_per_s,
        measured_s=measured_s,
        stall_s=faults.stall_s,
        from_schedule=distribution(scheduled),
        closed_loop=distribution(closed),
    )


def distribution(latency_ms: npt.NDArray[np.float64]) -> Distribution:
    """Summarise latencies; raises TrialError for none."""
    if not len(latency_ms):
        raise TrialError("no message came back")
    ascending = np.sort(latency_ms)
    n = len(ascending)
    rank = np.unique(np.linspace(1, n, min(n, _POINTS)).round().astype(np.int64))
    return Distribution(
        messages=n,
        p50_ms=_percentile(ascending, 50),
        p99_ms=_percentile(ascending, 99),
        max_ms=float(ascending[-1]),
        latency_ms=tuple(ascending[rank - 1].round(4).tolist()),
        fraction=tuple((rank / n).round(6).tolist()),
    )


def _percentile(ascending: npt.NDArray[np.float64], percent: int) -> float | None:
    rank = int(np.ceil(round(len(ascending) * percent / 100, 6)))
    return float(ascending[rank - 1]) if len(ascending) - rank >= _MIN_BEYOND else None
