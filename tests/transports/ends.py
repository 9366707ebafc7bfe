"""Connected pairs of sockets, for what reads and writes them by their numbers."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import suppress

LARGE = bytes(8_000_000)  # more than any socket takes at once
_ACKNOWLEDGED_S = 0.1  # longer than a delayed acknowledgement, which makes room in a full socket


class Ends:
    """So many pairs; `received` is what has come at their ends."""

    def __init__(self, size: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.theirs = [socket.create_connection(listener.getsockname()) for _ in range(size)]
            self.ours = [listener.accept()[0] for _ in range(size)]
        for end in (*self.ours, *self.theirs):
            end.setblocking(False)

    @property
    def descriptors(self) -> list[int]:
        return [end.fileno() for end in self.ours]

    def fill(self, place: int) -> None:
        """Send until the socket takes nothing more, also after the peer's kernel has acknowledged what it holds."""
        while self._sent(place):
            select.select((), (), (), _ACKNOWLEDGED_S)

    def _sent(self, place: int) -> int:
        """Send what the socket takes now; returns how many bytes that was."""
        sent = 0
        with suppress(BlockingIOError):
            while True:
                sent += self.ours[place].send(LARGE)
        return sent

    def reset(self, place: int) -> None:
        self.theirs[place].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.theirs[place].close()

    def received(self, place: int) -> bytes:
        try:
            return self.theirs[place].recv(1 << 16)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for end in (*self.ours, *self.theirs):
            end.close()
