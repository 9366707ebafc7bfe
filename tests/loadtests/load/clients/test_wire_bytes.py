"""Bytes on the wire, counted twice: by TCP_INFO of both ends, and by the interface that carried their packets."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
from _socket import socket as RawSocket  # noqa: N812
from pathlib import Path

import pytest

from loadtests.load.clients import sockets
from loadtests.load.clients.sockets import SocketTotals
from loadtests.load.clients.tls import TlsPipe, client_context
from transports.certificate import server_context

HOST = "127.0.0.1"
MESSAGES = 50
SIZE = 256
_INTERFACES = Path("/proc/net/dev")  # of the process's own namespace


def talk(tls: bool) -> dict[str, list[int]]:
    """Exchange messages and answers; what TCP_INFO of both ends and the loopback's own counters grew by."""
    with socket.create_server((HOST, 0)) as listener:
        ours = sockets.open_stream(socket.AF_INET)
        sockets.start_connect(ours, listener.getsockname())
        theirs, _ = listener.accept()
    pipe, peer = _paired(ours, theirs) if tls else (None, None)
    before = _counted(ours, theirs)
    for _ in range(MESSAGES):
        message = b"x" * SIZE
        theirs.send(peer.send(message) if peer else message)
        select.select([ours], [], [], 5)
        came = ours.recv(65_536)
        assert (pipe.receive(came) if pipe else came) == message
        ours.send(pipe.send(b"ok") if pipe else b"ok")
        theirs.recv(65_536)
    # The last ACK is delayed by up to 200 ms.
    select.select([theirs], [], [], 0.3)
    after = _counted(ours, theirs)
    return {name: [late - early for early, late in zip(before[name], after[name], strict=True)] for name in before}


class _Server:
    """The server's end of TLS in memory."""

    def __init__(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server_context(None, None).wrap_bio(self.incoming, self.outgoing, server_side=True)

    def send(self, plain: bytes) -> bytes:
        self.tls.write(plain)
        return self.outgoing.read()


def _paired(ours: RawSocket, theirs: socket.socket) -> tuple[TlsPipe, _Server]:
    pipe, server = TlsPipe(client_context(HOST, "http/1.1"), HOST, "http/1.1"), _Server()
    ours.send(pipe.send(b"hello"))
    while True:
        server.incoming.write(theirs.recv(65_536))
        try:
            server.tls.do_handshake()
            server.tls.read(5)
            break
        except ssl.SSLWantReadError:
            theirs.send(server.outgoing.read())
            select.select([ours], [], [], 5)
            pipe.receive(ours.recv(65_536))
            ours.send(pipe.take_outgoing() or pipe.send(b""))
    theirs.send(server.outgoing.read())
    select.select([ours], [], [], 5)
    pipe.receive(ours.recv(65_536))
    return pipe, server


def _counted(ours: RawSocket, theirs: RawSocket) -> dict[str, list[int]]:
    (line,) = (line for line in _INTERFACES.read_text().splitlines() if line.strip().startswith("lo:"))
    found = {"lo": [int(figure) for figure in line.split()[1:3]]}  # bytes, packets
    for name, sock in (("ours", ours), ("theirs", theirs)):
        totals = sockets.read_totals(sock)
        assert totals is not None
        found[name] = list(totals)
    return found


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a network namespace needs Linux and root")
@pytest.mark.parametrize("tls", [False, True])
def test_the_interface_counts_the_same_bytes_and_packets(tls: bool) -> None:
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("unshare and ip are not installed")
    command = f"ip link set lo up && {sys.executable} -m {__name__} {int(tls)}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    ours, theirs = SocketTotals(*counted["ours"]), SocketTotals(*counted["theirs"])
    by_lo, packets = counted["lo"]
    assert ours.segments_in + ours.segments_out == packets
    assert ours.bytes_received + ours.header_bytes_in + ours.bytes_sent + ours.header_bytes_out == by_lo
    assert (theirs.bytes_sent + theirs.header_bytes_out, theirs.acks_out) == (
        ours.bytes_received + ours.header_bytes_in,
        ours.acks_in,
    )
    assert ours.bytes_received == MESSAGES * (SIZE + (22 if tls else 0))  # TLS 1.3: a record's header, type and tag
    assert ours.acks_in + ours.acks_out < packets


if __name__ == "__main__":
    print(json.dumps(talk(sys.argv[1] == "1")))
