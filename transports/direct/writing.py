"""How the direct fan-out gives the same bytes to many sockets: a system call for each, or one for many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from core.settings import SettingError
from transports.direct.ring import SendRing
from transports.direct.services import Write, for_each

_MANY: Final = 64  # sockets; for fewer filling a ring takes longer than it saves


@dataclass(frozen=True, slots=True)
class Writes:
    """A way to write, and its name: `io_uring` or `write`."""

    name: str
    to_each: Write


write_to_each: Final = partial(for_each, os.write, 0)
"""See `services.Write`: by `write` for each."""


def by_ring(ring: SendRing, at_least: int) -> Write:
    """See `services.Write`: by a ring, from so many sockets on."""

    def write(descriptors: Sequence[int], data: bytes) -> Sequence[int]:
        if len(descriptors) < at_least:
            return write_to_each(descriptors, data)
        taken_bytes = ring.send(descriptors, data)
        if len(taken_bytes) < len(descriptors):
            taken_bytes += write_to_each(descriptors[len(taken_bytes) :], data)
        return taken_bytes

    return write


def chosen_writes(wanted: str) -> Writes:
    """What `RTLAB_WRITES` asks for: `io_uring`, `write`, or `auto`: io_uring for many sockets, where there is one.

    Raises SettingError where io_uring is asked for and cannot be had.
    """
    if wanted != "write":
        try:
            return Writes("io_uring", by_ring(SendRing(), 1 if wanted == "io_uring" else _MANY))
        except OSError as error:
            if wanted == "io_uring":
                raise SettingError(f"RTLAB_WRITES='io_uring': {error.strerror}; auto or write is allowed") from error
    return Writes("write", write_to_each)
