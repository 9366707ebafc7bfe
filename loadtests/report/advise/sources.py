"""Where each figure of the price files that come with the lab was read, as a table of docs/prices.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from loadtests.records import prices
from loadtests.records.prices import Prices
from loadtests.report.marked import filled
from loadtests.report.verdicts.evidence import REFERENCE

PAGE = REFERENCE.parents[1] / "docs" / "prices.md"
BEGIN = "<!-- price sources, by `python -m loadtests.report.advise.examples` -->"


def table(files: Iterable[tuple[str, Prices]]) -> str:
    """Return a row for each source of each file, and one for the figures that have none."""
    heads = ("file", "figures", "read in", "on", "says", "so")
    shown = [heads, ["---"] * len(heads), *(row for name, file in files for row in _rows(name, file))]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)


def of_the_lab() -> Iterator[tuple[str, Prices]]:
    """Yield the files that come with the lab, by name."""
    for name in prices.FILES.named():
        yield name, prices.find(name)


def written(text: str) -> str:
    """Return the page with the table of the lab's own files in its place. Raises RunError where it has none."""
    return filled(PAGE.name, text, BEGIN, table(of_the_lab()))


def _rows(name: str, file: Prices) -> Iterator[Sequence[str]]:
    called = f"`{name}`, {file.currency}"
    for reading in file.read:
        where = f"[{reading.title}]({reading.source})"
        yield called, _named(file, reading.of), where, str(reading.date), reading.said, reading.derived
    if file.unverified:
        yield called, _named(file, file.unverified), "unverified", "", "", ""


def _named(file: Prices, figures: Iterable[str]) -> str:
    return ", ".join(f"{figure} {file.figures[figure]:g}" for figure in figures)
