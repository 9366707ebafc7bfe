"""The subjects of the section "In the field", in the order of the report."""

from __future__ import annotations

from pathlib import Path

from loadtests.report import cuts, middleboxes_part, storm_part, tls
from loadtests.report.field import Part, Subject
from loadtests.report.study import Study

SUBJECTS: tuple[Subject, ...] = (tls.part, cuts.part, storm_part.part, middleboxes_part.part)


def parts(study: Study, folder: Path) -> tuple[Part, ...]:
    """Return what the run holds of each subject, in the order of `SUBJECTS`."""
    return tuple(part for subject in SUBJECTS if (part := subject(study, folder)) is not None)
