"""What is counted of a piece of code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """See the package for what each of them means."""

    lines: int
    branches: int
    states: int


class UnreadableSourceError(ValueError):
    """A file is not in the language that its name says, or in a form that these rules do not know."""
