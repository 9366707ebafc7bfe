"""A client that shares no code with the lab's: what a delivery of three of these servers takes, in bytes and CPU.

`python -m tests.targets.own_client [RUN]` starts npm's ws, Express and nchan one after the other, with fifty receivers
and ten messages a second as in `targets.toml`, and prints bytes of TCP's payload and the server's CPU per delivery;
with a run's folder beside those of its rows. The exit code is 1 where they differ by more than 3 % and 10 %.
"""

from __future__ import annotations

import base64
import csv
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.targets.install import SBIN, folder

RECEIVERS, PER_S, WARM_UP_S, MEASURED_S, PAYLOAD_BYTES, REPEATS = 50, 10, 1.0, 4.0, 128, 3
BYTES_PERCENT, CPU_PERCENT = 3.0, 10.0
_TURNS = 30
_MARK = b"own-client-"
_NAMES = ("npm-ws", "express-sse", "nginx-ws")


@dataclass(frozen=True)
class Speech:
    """What is said to one server."""

    path: str
    upgrade: bool
    publish: str = ""  # the path of a POST; empty: over a WebSocket of the publisher's own
    kind: str = "text/plain"
    body: bytes = b"%s"


SPEECH = {
    "npm-ws": Speech("/?room=own", upgrade=True, body=b'{"type":"chat","content":"%s"}'),
    "express-sse": Speech("/rooms/own/events", False, "/rooms/own/messages", "application/json", b'{"content":"%s"}'),
    "nginx-ws": Speech("/ws/own", True, "/pub/own"),
}


@contextmanager
def served(name: str, made: Path, core: int) -> Iterator[tuple[int, int]]:
    """Start a server by its adapter's command; yield its port and its pid."""
    said = tomllib.loads((made / "adapters" / f"{name}.toml").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as empty:
        fill = {"{port}": str(port), "{host}": "127.0.0.1", "{folder}": empty}
        words = said["server"]["command"]
        for placeholder, value in fill.items():
            words = [word.replace(placeholder, value) for word in words]
        environment = os.environ | said["server"].get("env", {})
        server = subprocess.Popen(
            words, cwd=made, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            psutil.Process(server.pid).cpu_affinity([core])
            deadline = time.monotonic() + 15
            while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            yield port, server.pid
        finally:
            server.terminate()
            server.wait(10)


def connected(port: int, speech: Speech) -> socket.socket:
    """Open one receiver's connection, up to the end of the answer's head."""
    made = socket.create_connection(("127.0.0.1", port), 5)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    made.sendall(f"GET {speech.path} HTTP/1.1\r\nHost: own\r\n{upgrade if speech.upgrade else ''}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += made.recv(1) or b"\r\n\r\n"
    return made


def frame(payload: bytes) -> bytes:
    """Return a masked text frame of less than 64 KiB; the mask is nought."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and its children so far, by the scheduler's clock of each."""
    pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return sum(time.clock_gettime_ns((~each << 3) | 2) for each in pids)


def measured(port: int, pid: int, speech: Speech) -> tuple[float, float]:
    """Return bytes received and microseconds of the server's CPU, both per delivery."""
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(RECEIVERS):
            receiver = stack.enter_context(connected(port, speech))
            receiver.setblocking(False)
            selector.register(receiver, selectors.EVENT_READ)
        plain = Speech(speech.path, speech.upgrade)
        publisher = stack.enter_context(
            socket.create_connection(("127.0.0.1", port), 5) if speech.publish else connected(port, plain)
        )
        publisher.setblocking(False)
        selector.register(publisher, selectors.EVENT_READ, "publisher")
        _run(selector, time.monotonic() + 0.5)  # who joined is said to all
        _delivered(selector, publisher, speech, WARM_UP_S)  # a runtime compiles what it runs first
        before = cpu_ns(pid)
        received, deliveries = _delivered(selector, publisher, speech, MEASURED_S)
        used = cpu_ns(pid) - before
    return received / deliveries, used / deliveries / 1e3


def _delivered(
    selector: selectors.BaseSelector, publisher: socket.socket, speech: Speech, seconds: float
) -> tuple[int, int]:
    """Publish for so long; return the bytes and the deliveries that came of it, all of them."""
    begun, received, deliveries = time.monotonic(), 0, 0
    due = round(seconds * PER_S)
    for sent in range(1, due + _TURNS):
        if sent <= due:
            publisher.sendall(_message(speech, sent))
        elif deliveries == due * RECEIVERS:
            return received, deliveries
        came, found = _run(selector, max(begun + sent / PER_S, time.monotonic() + 0.01))
        received, deliveries = received + came, deliveries + found
    raise AssertionError(f"{deliveries} deliveries of {due * RECEIVERS}")


def _message(speech: Speech, sent: int) -> bytes:
    body = speech.body % (_MARK + str(sent).encode()).ljust(PAYLOAD_BYTES, b"x")
    if not speech.publish:
        return frame(body)
    head = f"POST {speech.publish} HTTP/1.1\r\nHost: own\r\nContent-Type: {speech.kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _run(selector: selectors.BaseSelector, until: float) -> tuple[int, int]:
    """Read until then; return the receivers' bytes and how many messages were in them."""
    received = deliveries = 0
    while (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(65_536)
            if key.data is None:
                received, deliveries = received + len(data), deliveries + data.count(_MARK)
    return received, deliveries


def rows(run: Path) -> dict[str, tuple[float, float]]:
    """Return bytes and CPU per delivery of a run's rows."""
    with (run / "results.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["server_cpu_us"]]
    return {row["transport"]: (float(row["bytes_down"]), float(row["server_cpu_us"])) for row in found}


def main(arguments: list[str]) -> int:
    """Measure, print and compare; return the exit code."""
    os.environ["PATH"] += SBIN
    made, beside = folder(), rows(Path(arguments[0])) if arguments else {}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    apart = False
    for name in _NAMES:
        found = []
        for _ in range(REPEATS):
            with served(name, made, cores[0]) as (port, pid):
                found.append(measured(port, pid, SPEECH[name]))
        size, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        line = f"{name}: {size:.1f} B, {cpu:.1f} us CPU a delivery"
        if name in beside:
            off = [100 * (lab / own - 1) for lab, own in zip(beside[name], (size, cpu), strict=True)]
            apart |= abs(off[0]) > BYTES_PERCENT or abs(off[1]) > CPU_PERCENT
            line += f"; the lab {beside[name][0]:.1f} B ({off[0]:+.1f} %), {beside[name][1]:.1f} us ({off[1]:+.1f} %)"
        print(line, flush=True)
    return int(apart)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
