"""Numbers as people read them: three significant digits, the unit always there, a dash for what is not known.

A figure of which only a bound is known is an `AtLeast` or `AtMost` and shows it: `>= 5,000`. No heavy import.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Sequence


class AtLeast(float):
    """A figure of which only a lower bound is known: this one. Arithmetic on it gives plain numbers."""

    __slots__ = ()


class AtMost(float):
    """A figure of which only an upper bound is known: this one."""

    __slots__ = ()


def greatest(value: float) -> float:
    """Return the greatest that a figure can be: itself, or infinity where only a lower bound is known."""
    return math.inf if isinstance(value, AtLeast) else float(value)


def plus(value: float, added: float) -> float:
    """Add to a figure that stays a bound if it is one."""
    return type(value)(value + added) if isinstance(value, AtLeast | AtMost) else value + added


UNKNOWN = "\N{EN DASH}"


def digits(value: float | None, significant: int = 3) -> str:
    """Round to significant digits, without exponent: 0.0123, 1.23, 123, 12,300; a dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if isinstance(value, AtLeast | AtMost):
        return f"{'>=' if isinstance(value, AtLeast) else '<='} {digits(float(value), significant)}"
    if value == 0:
        return "0"
    decimals = significant - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded and abs(rounded) >= 10 ** (math.floor(math.log10(abs(value))) + 1):
        decimals -= 1  # 0.9996 became 1.00, not 1.000
    return f"{rounded:,.{max(decimals, 0)}f}"


def with_unit(value: float | None, unit: str) -> str:
    """Return `12.3 ms`; only the dash when the value is not known."""
    text = digits(value)
    return text if text == UNKNOWN else f"{text} {unit}"


def span(low: float, high: float, unit: str = "") -> str:
    """Return an interval, `1.23 to 4.56 ms`, or the one figure if both ends round to it; an infinite end is open."""
    if math.isinf(low) or math.isinf(high):
        low, high = (AtLeast(low), AtLeast(low)) if math.isinf(high) else (AtMost(high), AtMost(high))
    a, b = digits(low), digits(high)
    body = a if a == b else f"{a} to {b}"
    return f"{body} {unit}".rstrip()


def share(part: float, total: float) -> str:
    """Return a percentage that says 100 only when nothing is missing."""
    if not total:
        return UNKNOWN
    percent = 100 * part / total
    if part != total and f"{percent:.2f}" in ("100.00", "0.00"):
        return "<0.01 %" if percent < 1 else ("<100 %" if part < total else ">100 %")
    return f"{percent:.2f} %" if part != total else "100 %"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 cell`, `3 cells`, `1,200 deliveries`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words: list[str]) -> str:
    """Join as prose: `a`, `a and b`, `a, b and c`."""
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def printable(text: str) -> str:
    """Replace control and invisible format characters: names come from files and go to terminals."""
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text)


def laid_out(lines: Sequence[Sequence[str]], words: Collection[int]) -> list[str]:
    """Align lines of equal length for a terminal: the columns `words` to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if column in words else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
