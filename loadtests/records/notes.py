"""Why connections were cut or refused and publications not taken: texts with their counts, the same text once. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

MOST_KINDS = 20  # kept of a cell, the most frequent ones
FURTHER = "further reasons"

_MOST_COUNTED = 500  # kinds while a cell runs: a server may word each refusal differently
_MOST_CHARS = 200
_VARYING = re.compile(
    r"T\d+\.\d+\.\d+\.\d+\.(?:[0-9a-f]+\.)?x*|\d{6,}|x{6,}"
)  # a message's stamp, instants and ids, padding


def add(counts: Counter[str], text: str) -> None:
    """Count one more of `text`, taken for the same as another that differs in stamps and long numbers alone."""
    kind = _kind(text)
    counts[kind if kind in counts or len(counts) < _MOST_COUNTED else FURTHER] += 1


@lru_cache(maxsize=64)  # where a clock is wrong, the same is said of each delivery
def _kind(text: str) -> str:
    kind = _VARYING.sub("…", " ".join(text.split()))
    return kind if len(kind) <= _MOST_CHARS else kind[: _MOST_CHARS - 1] + "…"


def most(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the `MOST_KINDS` most frequent texts with their counts; what is left out is counted in `FURTHER`."""
    ordered = Counter(counts).most_common()
    kept = dict(ordered[:MOST_KINDS])
    if left := sum(count for _, count in ordered[MOST_KINDS:]):
        kept[FURTHER] = kept.get(FURTHER, 0) + left
    return kept


def merged(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the texts of several cells, the most frequent first."""
    total: Counter[str] = Counter()
    for counts in several:
        total.update(counts)
    return dict(total.most_common())


def in_words(counts: Mapping[str, int], show: int | None = None) -> str:
    """Return `12 x this; 3 x that`, at most `show` of them; empty where there are none."""
    ordered = Counter(counts).most_common()
    shown = [f"{count} x {text}" for text, count in ordered[:show]]
    if left := len(ordered) - len(shown):
        shown.append(f"{left} more in run.json")
    return "; ".join(shown)
