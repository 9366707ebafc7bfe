"""Figures of which only a bound is known: numbers that say so wherever they are shown. No heavy import."""

from __future__ import annotations

import math


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
