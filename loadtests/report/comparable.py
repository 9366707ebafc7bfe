"""Whether two runs may be held against each other: protected fields, and loads that bear the same name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from loadtests.records.errors import RunError
from loadtests.records.schema import Cell, Run

_ABSENT = "nothing"

# Of cells of one name; how long they were measured moves the intervals and not what is measured.
_LOAD_FIELDS = (
    "kind", "subscribers", "publishers", "rooms", "rate_per_s", "payload_bytes", "arrivals", "direction", "link",
    "variant", "poll_interval_s", "poll_wait_s",
)  # fmt: skip


def require(a: Run, b: Run, despite: Set[str] = frozenset()) -> tuple[str, ...]:
    """Return in words the differences that `despite` accepts; RunError names each other field in which they differ.

    RunError too for a name in `despite` that is no protected field of either run.
    """
    protected = dict.fromkeys((*a.protected, *b.protected))
    if unknown := sorted(despite - set(protected)):
        raise RunError(f"--despite {', '.join(unknown)}: allowed are the protected fields: {', '.join(protected)}")
    differing = {field: words for field in protected if (words := _difference(field, a, b))}
    refused = [words for field, words in differing.items() if field not in despite]
    refused += _different_loads(a, b)
    if refused:
        raise RunError(f"{a.run_id} and {b.run_id} can't be compared: {'; '.join(refused)}")
    return tuple(differing.values())


def _difference(field: str, a: Run, b: Run) -> str:
    left, right = _value(a, field), _value(b, field)
    return "" if left == right else f"{field} is {left} in A and {right} in B"


def _value(run: Run, field: str) -> object:
    section, _, key = field.partition(".")
    return run.manifest.get(section, {}).get(key, _ABSENT)


def _different_loads(a: Run, b: Run) -> Iterator[str]:
    ours, theirs = _by_name(a), _by_name(b)
    for name in ours.keys() & theirs.keys():
        for field in _LOAD_FIELDS:
            left, right = getattr(ours[name], field), getattr(theirs[name], field)
            # None: written before there was the field; the setting of the run, which is protected, stands for it.
            if left != right and None not in (left, right):
                yield f"{field} of {' '.join(name)} is {left} in A and {right} in B"


def _by_name(run: Run) -> Mapping[tuple[str, str], Cell]:
    return {(cell.transport, cell.load): cell for cell in run.cells}
