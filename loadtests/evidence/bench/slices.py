"""Measure several systems in turn, a slice of a second each, over and over: forth, then back.

The speed of a shared machine drifts within seconds. In so short a slice it hardly does, and those who are compared are
measured within the same seconds. In the order A B C, C B A a drift that is steady favours nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from loadtests.evidence.bench.started import Result, attempt
from loadtests.records.errors import LabError

Measure = Callable[[], Result]


@dataclass(frozen=True)
class Meter:
    """Measures a slice of one system under one load; an error where it cannot."""

    load: str
    system: str
    measure: Measure | LabError


def meter(held: ExitStack, load: str, system: str, opened: AbstractContextManager[Measure]) -> Meter:
    """What `opened` yields, until `held` closes; the error where it cannot be opened."""
    try:
        return Meter(load, system, held.enter_context(opened))
    except LabError as error:
        return Meter(load, system, error)


def forth_and_back(meters: Sequence[Meter], passes: int) -> Iterator[tuple[str, str, int, Result | LabError]]:
    """Load, system, number of the pass, and what was found. Who fails is left out from then on."""
    failed: set[int] = set()
    for number in range(passes):
        for index in range(len(meters))[:: -1 if number % 2 else 1]:
            if index in failed:
                continue
            each = meters[index]
            result = each.measure if isinstance(each.measure, LabError) else attempt(each.measure)
            if isinstance(result, LabError):
                failed.add(index)
            yield each.load, each.system, number, result
