"""A server that refuses a POST which overlaps the one before: publications of a burst go one after the other."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from loadtests.evidence.calibration.trial import describe_cell, run_generator
from loadtests.records.adapter import Adapter, Publish, Subscribe
from loadtests.records.cell_spec import FOREIGN_USER, Load

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
_BUSY_S = 0.01  # with each POST


@contextmanager
def refusing() -> Iterator[int]:
    """Serve one room: GET streams, POST publishes, 400 to one that came while another was served; yield the port."""
    streams: list[socket.socket] = []

    def converse(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while data := peer.recv(65_536):
                if data.startswith(b"GET"):
                    streams.append(peer)
                    peer.sendall(_HEAD)
                    continue
                time.sleep(_BUSY_S)
                overlaps = data.count(b"POST ") > 1 or bool(select.select([peer], [], [], 0)[0])
                body = data.partition(b"\r\n\r\n")[2]
                for stream in () if overlaps else tuple(streams):
                    stream.sendall(b"data: " + body + b"\n\n")
                peer.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (400 if overlaps else 200))

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=converse, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_publications_wait_for_the_answer_before(tmp_path: Path) -> None:
    publish = Publish(path="/", in_turn=True)
    adapter = Adapter(name="mine", about="", protocol="sse", subscribe=Subscribe(path="/{room}"), publish=publish)
    load = Load(name="2x20", subscribers=2, rate_per_s=20.0, arrivals="burst")
    with refusing() as port:
        spec = describe_cell(FOREIGN_USER, port, load, warm_up_s=0.0, measured_s=1.9, grace_s=0.5)
        trial = run_generator(msgspec.structs.replace(spec, adapter=adapter), tmp_path)
    assert trial.exit_code == 0, trial.progress
    assert (trial.result.refused, trial.result.unanswered) == (0, 0), trial.result.errors
    assert len(trial.samples["message"]) == 2 * len(trial.publishes["message"]) == 80
