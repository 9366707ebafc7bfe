"""The publisher's stamp inside `content`: who sent which message, when it was due, when it left, and by whose clock.

`T<publisher>.<message>.<scheduled_ns>.<sent_ns>.<clock>.` and padding, in characters that sanitising leaves as they
are. The times are CLOCK_MONOTONIC ns. Two of them may be subtracted only where their `clock_id` is the same: on Linux,
one boot of one kernel and the offset that a time namespace adds (time_namespaces(7)); elsewhere, the machine.
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


Stamp = tuple[int, int, int, int, str]
"""publisher, message, scheduled_ns, sent_ns, clock"""

_PAD = "x"


def build(
    publisher: int, message: int, scheduled_ns: int, sent_ns: int, payload_bytes: int, clock: str = OUR_CLOCK
) -> str:
    """Build a content of `payload_bytes` ASCII characters, or as long as the stamp alone where that is longer."""
    return f"T{publisher}.{message}.{scheduled_ns}.{sent_ns}.{clock}.".ljust(payload_bytes, _PAD)


def read(content: str) -> Stamp | None:
    """Read a stamp back; None where the content was not sent by a publisher of the lab."""
    if content[:1] != "T":
        return None
    parts = content[1:].split(".", 5)
    if len(parts) != 6:
        return None
    try:
        return int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]), parts[4]
    except ValueError:
        return None


def build_ref(publisher: int, message: int) -> str:
    """The `ref` by which an acknowledgement finds its publication."""
    return f"{publisher}.{message}"


def read_ref(ref: str) -> tuple[int, int] | None:
    """Read `build_ref` back; None where the ref is not the lab's."""
    publisher, dot, message = ref.partition(".")
    if dot and publisher.isdecimal() and message.isdecimal():
        return int(publisher), int(message)
    return None
