"""Whose CLOCK_MONOTONIC a time was read on: two times may be subtracted only where the answer is the same.

Linux: one boot of one kernel, and the offset that a time namespace adds (time_namespaces(7)). Elsewhere: the machine.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from functools import cache
from hashlib import blake2b
from pathlib import Path

_DIGITS = 8


@cache
def clock_id(proc: Path = Path("/proc")) -> str:
    """Return a short hash of this process's monotonic clock: hexadecimal, of a fixed length.

    Processes that share the clock share the id. Where nothing identifies the machine the id is this process's own:
    a latency is then dropped rather than invented.
    """
    return blake2b(_described(proc).encode(), digest_size=_DIGITS // 2).hexdigest()


def _described(proc: Path) -> str:
    try:
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return _machine()
    return f"{boot} {_namespace(proc)}"


def _namespace(proc: Path) -> str:
    """Return the offset of the process's time namespace, or the namespace's name where the offset can't be read."""
    names = proc / "self" / "ns"
    try:
        own = str((names / "time").readlink())
    except OSError:
        return "monotonic 0 0"  # a kernel without time namespaces
    try:
        # The offsets are those of the namespace that children will be in.
        if str((names / "time_for_children").readlink()) != own:
            return own
        for line in (proc / "self" / "timens_offsets").read_text(encoding="ascii").splitlines():
            if line.startswith("monotonic"):
                return " ".join(line.split())
    except OSError:
        pass
    return own


def _machine() -> str:
    node = uuid.getnode()
    if node >> 40 & 1:  # a random number in place of an address (RFC 9562 section 6.10)
        return f"{node} {os.getpid()}"
    return f"{sys.platform} {platform.node()} {node}"


OUR_CLOCK = clock_id()
