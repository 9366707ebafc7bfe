"""A ring of the kernel, where it gives us one."""

from __future__ import annotations

import pytest

from transports.direct.ring import SendRing


def new_ring(entries: int = 8) -> SendRing:
    """Skips the test where there is none. It is of the kernel, not of what is installed: nowhere a failure."""
    try:
        return SendRing(entries)
    except OSError as error:
        pytest.skip(f"no io_uring here: {error}")
