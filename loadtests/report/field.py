"""The section "In the field": what each transport costs and survives away from a quiet loopback. One part per subject.

A subject is a function of a run that was worked out and of the run's folder. It has a module of its own in this
package, and a template where its part has a table. `loadtests.report.subjects` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from loadtests.report.layout import Layout
from loadtests.report.study import Study


@dataclass(frozen=True, slots=True)
class Part:
    """One subject's part of the section: a sentence, a chart, and what stands below it."""

    slug: str  # of its ids and of its chart's files; unique in the report
    heading: str
    sentence: str  # one, on which a reader can act
    draw: Callable[[Layout], Figure | None]
    reading: str  # how to read the chart and its model
    template: str = ""  # a file of `templates/` that shows `chart.found` below the chart; empty: nothing stands there
    found: object = None
    origin: str = ""  # of kept evidence, shown where the run did not measure the subject; empty: the run did


Subject = Callable[[Study, Path], Part | None]
"""Returns None where the run measured nothing of the subject."""
