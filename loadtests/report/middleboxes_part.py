"""The part of the report's section "In the field" on what stands in the way. The words are those of `middleboxes`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from loadtests.records.middleboxes import FILE, load
from loadtests.report import kept
from loadtests.report.charts.boxes import passages
from loadtests.report.field import Part
from loadtests.report.middleboxes import sentence
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import REFERENCE


def part(_: Study, folder: Path, reference: Path = REFERENCE) -> Part | None:
    """Return the report's part on boxes: the run's own, else the reference's; None where there is neither."""
    path = next((each / FILE for each in (folder, reference) if (each / FILE).is_file()), None)
    if path is None:
        return None
    found = load(path)
    return Part(
        slug="boxes",
        heading="What stands in the way",
        sentence=sentence(found),
        draw=partial(passages, found),
        reading=(
            "Full: passes as the box comes. Half-filled: passes with the settings in the table. Hollow: does not pass. "
            "The built-in proxy is the model: each of its rows has one habit and no other, so what a box does to a "
            "transport follows from the habits that it has."
        ),
        template="middleboxes.html.j2",
        found=found,
        origin=kept.said(f"rtlab run middleboxes on {found.started_utc[:10]}", found.commit, found.machine),
    )
