"""One load, several values: a sweep spelt out into a load for each combination. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from loadtests.records.cell_spec import Load
from loadtests.records.errors import ScenarioError

SWEPT = {"subscribers": int, "rooms": int, "publishers": int, "rate_per_s": float, "payload_bytes": int}
"""Fields of the load that may be swept, with the type of their values."""


def swept(load: Load, sweep: Mapping[str, Sequence[int | float]]) -> Iterator[Load]:
    """Yield the load with each combination of values, named after them; the load itself without a sweep.

    ScenarioError for a field that can't be swept, for no values, and for a value of the wrong type.
    """
    if not sweep:
        yield load
        return
    for field, values in sweep.items():
        _check(field, values)
    for combination in itertools.product(*sweep.values()):
        given = dict(zip(sweep, combination, strict=True))
        name = "-".join((load.name, *(f"{field}{value:g}" for field, value in given.items())))
        yield msgspec.convert({**msgspec.structs.asdict(load), **given, "name": name}, Load)


def _check(field: str, values: Sequence[int | float]) -> None:
    if field not in SWEPT:
        raise ScenarioError(f"sweep has the field {field}; allowed: {', '.join(SWEPT)}")
    if not values:
        raise ScenarioError(f"sweep.{field} is empty; allowed: at least one value")
    for value in values:
        if SWEPT[field] is int and not isinstance(value, int):
            raise ScenarioError(f"sweep.{field} holds {value}; allowed: whole numbers")
