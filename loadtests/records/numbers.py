"""Numbers with a unit in texts that the lab both writes and reads: an RTT, a rate, a payload."""

from __future__ import annotations

from decimal import Decimal

NUMBER = r"(\d{1,9}(?:\.\d{1,18})?(?:e[+-]?\d{1,2})?)"
"""How a number is written: 5, 0.00001, and 1e-05, as runs have it that `plain` did not write."""


def plain(value: float, digits: int = 9) -> str:
    """Write a number with at most so many significant digits, without exponent."""
    return format(Decimal(f"{value:.{digits}g}"), "f")
