"""When the study of the gates disturbs: half-second windows of CLOCK_MONOTONIC, which all processes share. Pure.

The windows follow the Thue-Morse sequence: each pair of neighbours holds one disturbed and one control window, in an
order that drifts of the machine, linear or quadratic, do not favour.
"""

from __future__ import annotations

TICKS = "ticks.json"
"""What a disturbed generator leaves beside its tables, one row for each 10 ms tick of its hub: when it was due, how
late it came, and how long generator and server have waited for a processor until then, all in ns. Where the kernel does
not count the last, it is 0."""

WINDOW_NS = 500_000_000
GUARD_NS = 50_000_000
"""What is due so soon after a window's begin may still meet what the window before left behind; it is not used."""


def disturbed(at_ns: int) -> bool:
    """Whether the disturbance is on at this instant."""
    return (at_ns // WINDOW_NS).bit_count() % 2 == 1
