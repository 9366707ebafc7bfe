"""Linux's io_uring, as much of it as gives bytes to many sockets with one system call.

One thread uses a ring, and every send has ended before the call returns: so nothing here waits, and no memory barrier
is needed. Source: io_uring_setup(2), io_uring_enter(2) and `linux/io_uring.h`.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
import weakref
from array import array
from collections.abc import Sequence
from typing import Final

_SETUP: Final = 425  # system calls, by the same numbers on every architecture
_ENTER: Final = 426
_SINGLE_MMAP: Final = 1 << 0  # what a kernel can do: both rings are in one mapping
_CQE_SKIP: Final = 1 << 11  # it is of Linux 5.17 at least: older ones may let a send wait in spite of MSG_DONTWAIT
_SEND: Final = 26  # the operation
_GETEVENTS: Final = 1
_SUBMISSIONS_AT: Final = 0x10000000  # what is mapped from there
# Operation, flags, priority, descriptor, -, address, size, flags of the send, number.
_SUBMISSION: Final = struct.Struct("=BBHiQQIIQ24x")
_COMPLETION_BYTES: Final = 16  # number, result, flags
_WRAP: Final = 1 << 32
_SOON: Final = 32


class SendRing:
    """Submissions and completions lie in two rings of memory that the kernel sees too.

    Both have a place for each send in its turn, and begin anew after a power of two. A batch is cut where the shorter
    one, that of submissions, does: so its places are one slice of either.
    """

    def __init__(self, entries: int = 1024) -> None:
        """Raises OSError where the kernel has no io_uring, has an old one, or forbids it."""
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "io_uring is there on Linux only")
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype, self._call.argtypes = ctypes.c_long, [ctypes.c_long] * 7
        parameters = array("I", bytes(120))
        self._ring: int = self._call(_SETUP, entries, parameters.buffer_info()[0], 0, 0, 0, 0)
        if self._ring < 0:
            raise OSError(ctypes.get_errno(), f"io_uring: {os.strerror(ctypes.get_errno())}")
        weakref.finalize(self, os.close, self._ring)
        self._entries, self._completions, features = parameters[0], parameters[1], parameters[5]
        if not features & _SINGLE_MMAP or not features & _CQE_SKIP:
            raise OSError(errno.ENOSYS, "io_uring is older than that of Linux 5.17")
        tail_at, order_at, heard_at, completions_at = (parameters[place] for place in (11, 16, 20, 25))
        order_end = order_at + 4 * self._entries
        completions_end = completions_at + _COMPLETION_BYTES * self._completions
        rings = self._mapped(0, max(order_end, completions_end))
        rings[order_at:order_end].cast("I")[:] = array("I", range(self._entries))
        self._tail = rings[tail_at : tail_at + 4].cast("I")  # how much is submitted, from here
        self._heard = rings[heard_at : heard_at + 4].cast("I")  # how much of what ended was looked at, from here
        ended = rings[completions_at:completions_end]
        self._numbers, self._results = ended.cast("Q")[::2], ended.cast("i")[2::4]
        submissions = self._mapped(_SUBMISSIONS_AT, _SUBMISSION.size * self._entries)
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        for place in range(self._entries):
            _SUBMISSION.pack_into(submissions, _SUBMISSION.size * place, _SEND, 0, 0, 0, 0, 0, 0, flags, place)
        self._descriptors = submissions.cast("i")[1::16]
        self._addresses, self._sizes = submissions.cast("Q")[2::8], submissions.cast("I")[6::16]
        self._bytes = bytearray()
        self._sent = 0  # in all
        self._owner = os.getpid()

    def _mapped(self, offset: int, size_bytes: int) -> memoryview:
        return memoryview(mmap.mmap(self._ring, size_bytes, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=offset))

    def send(self, descriptors: Sequence[int], data: bytes) -> list[int]:
        """Give bytes to each. Returns how many each took: none where the send failed, for whatever reason.

        The list is shorter where the kernel took fewer: nothing was done for the others. It is empty in a process that
        was forked with the ring, whose memory is still its parent's too.
        """
        if os.getpid() != self._owner:
            return []
        self._lay_out(data)
        results: list[int] = []
        while (done := len(results)) < len(descriptors):
            place = self._sent % self._entries
            # The first few are sent to while the others' sends are not even written down.
            batch = descriptors[done : done + min(self._entries - place, self._entries if done else _SOON)]
            found = self._send(place, batch, len(data))
            results += found
            if len(found) < len(batch):
                break
        return results

    def _lay_out(self, data: bytes) -> None:
        """Put the bytes where all submissions say that they are. Whoever took them before took a copy."""
        if len(data) > len(self._bytes):
            self._bytes = bytearray(2 * len(data))
            address = ctypes.addressof(ctypes.c_char.from_buffer(self._bytes))
            self._addresses[:] = array("Q", [address]) * self._entries
        if len(data) != self._sizes[0]:
            self._sizes[:] = array("I", [len(data)]) * self._entries
        self._bytes[: len(data)] = data

    def _send(self, place: int, batch: Sequence[int], size_bytes: int) -> list[int]:
        size = len(batch)
        self._descriptors[place : place + size] = array("i", batch)
        self._tail[0] = (self._sent + size) % _WRAP
        taken = max(0, self._call(_ENTER, self._ring, size, size, _GETEVENTS, 0, 0))
        ended = self._sent % self._completions
        results: list[int] = self._results[ended : ended + taken].tolist()
        if results.count(size_bytes) < taken:  # then it matters whose is which: they may end in another order
            numbers = self._numbers[ended : ended + taken].tolist()
            results = [max(0, result) for _, result in sorted(zip(numbers, results, strict=True))]
        self._sent = (self._sent + taken) % _WRAP
        self._tail[0] = self._heard[0] = self._sent
        return results
