"""A closed loop, as most load tools have it: the next message waits for the last one. Coordinated omission, on purpose.

Sends on a WebSocket, waits until its own message has come back, and then for the next instant of its rate. While the
server stalls it sends nothing, so that one message alone tells of the stall. Only ever shown beside the lab's figures.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from websockets.sync.client import connect

_ROOM = "closed-loop"
_TIMEOUT_S = 10.0


def latencies_ms(port: int, *, rate_per_s: float, warm_up_s: float, measured_s: float) -> npt.NDArray[np.float64]:
    """Return the latency of each message from sending to receiving, in ms; raises TimeoutError, OSError."""
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
