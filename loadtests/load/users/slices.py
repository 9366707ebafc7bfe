"""Short turns on the processor, asked of the kernel's scheduler (Linux, sched_setattr(2)): Python has no binding.

Who wakes may have to wait until whoever runs has had its slice, which then stands in a lateness or a receive gap. Since
Linux 6.12 a task may ask for a shorter slice of its own and is then let in before one with a longer slice; its share of
the processor stays the same. It needs no privilege. Older kernels take the request and do nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_SLICE_NS = 100_000  # the shortest that the kernel takes
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine()) if sys.platform == "linux" else None
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr: size, policy, flags, nice, priority, runtime and two more
_KEEP_POLICY = 0x08


def shorten() -> None:
    """Ask for short slices for this thread and those it starts; does nothing where nobody can be asked."""
    if _SCHED_SETATTR is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, _KEEP_POLICY, nice, 0, _SLICE_NS, 0, 0)
    ctypes.CDLL(None).syscall(_SCHED_SETATTR, 0, attributes, 0)  # a refusal leaves things as they are
