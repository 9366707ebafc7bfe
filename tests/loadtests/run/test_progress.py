"""What the terminal shows: time left from what cells took, one line per cell, the bar."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from loadtests.records.cell_spec import Load, Progress
from loadtests.records.schema import Cell, Validity, Verdict
from loadtests.run import plan, progress, targets
from loadtests.run.plan import PlannedCell
from loadtests.run.progress import LiveDisplay, PlainDisplay, Remaining
from loadtests.run.scenario import CellPlan, Scenario
from tests.loadtests.records.test_store import cell as made_cell


def cells(count: int = 3) -> tuple[PlannedCell, ...]:
    """Cells that measure for two seconds each."""
    loads = tuple(
        CellPlan(load=Load(name=f"load-{index}", subscribers=1, rate_per_s=1.0), measured_s=2.0, warm_up_s=0.0)
        for index in range(count)
    )
    scenario = Scenario(name="s", about="", blocks=1, cells=loads, grace_s=0.0)
    return plan.draw(scenario, targets.select(["sse"]), 1)


def judged(cell: PlannedCell, verdict: Verdict) -> Cell:
    finished = made_cell(cell.id)
    return Cell(**{name: getattr(finished, name) for name in finished.__struct_fields__} | {"verdict": verdict})


def test_time_left_learns_what_a_cell_costs() -> None:
    remaining = Remaining(cells(3))
    guessed = remaining.seconds()
    assert guessed > 3 * 2.0
    remaining.finished(took_s=3.0)
    assert remaining.seconds() == pytest.approx(2 * 3.0)
    remaining.finished(took_s=5.0)
    assert remaining.seconds() == pytest.approx(2.0 + 2.0)
    remaining.finished(took_s=1.0)
    assert remaining.seconds() == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s")]
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert progress.minutes(seconds) == words


def test_a_pipe_gets_one_line_per_cell() -> None:
    console = Console(file=io.StringIO(), width=40)
    planned = cells(2)
    display = progress.display(planned, console)
    assert isinstance(display, PlainDisplay)
    display.begin(planned[0])
    display.on_progress(Progress(event="connected", connected=1))
    display.end(judged(planned[0], Verdict(Validity.INVALID, ("it [died] at once", "and again"))))
    display.close()
    assert isinstance(console.file, io.StringIO)
    first, second = console.file.getvalue().splitlines()
    assert first.startswith("2 cells, about ")
    assert second.startswith(f"[1/2] {planned[0].id}: INVALID (it [died] at once; and again), ")
    assert second.endswith(" left")


def test_a_terminal_gets_a_bar_and_only_the_lines_that_matter() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    planned = cells(2)
    display = progress.display(planned, console)
    assert isinstance(display, LiveDisplay)
    display.begin(planned[0])
    display.on_progress(Progress(event="measuring", connected=7, delivered=9))
    display.end(judged(planned[0], Verdict(Validity.VALID)))
    display.begin(planned[1])
    display.end(judged(planned[1], Verdict(Validity.DOUBTFUL, ("a busy neighbour",))))
    display.close()
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert f"{planned[1].id}: doubtful (a busy neighbour)" in shown
    assert f"{planned[0].id}: valid" not in shown
    assert "2/2" in shown
