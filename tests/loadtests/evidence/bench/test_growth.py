"""Growth tables: each quantity has a row, and is called flat only where it is."""

from __future__ import annotations

import pytest

from loadtests.evidence.bench import growth, matrix
from tests.loadtests.evidence.bench.test_summary import row


def test_largest_over_smallest_of_the_medians_decides() -> None:
    rows = [row("direct", 0, f"sse/n{count}-w1-128B", us_per_del=cost) for count, cost in ((100, 8.0), (1000, 10.0))]
    assert "| 100: 8.0, 1,000: 10.0 | 1 | 1.25 | yes |" in growth.markdown(rows)
    rows.append(row("direct", 0, "sse/n3000-w1-128B", us_per_del=24.0))
    assert "| 100: 8.0, 1,000: 10.0, 3,000: 24.0 | 1 | 3.00 | **no** |" in growth.markdown(rows)


def test_it_is_said_how_often_each_load_ran() -> None:
    rows = [row("direct", repeat, "sse/n100-w1-128B", us_per_del=8.0) for repeat in range(3)]
    rows.append(row("direct", 0, "sse/n1000-w1-128B", us_per_del=9.0))
    assert "| 100: 8.0, 1,000: 9.0 | 1 to 3 | 1.12 | yes |" in growth.markdown(rows)


def test_what_must_grow_is_not_judged() -> None:
    rows = [
        row("direct", 0, f"sse/joins-300{into}", us_per_join=cost)
        for into, cost in (("", 300.0), ("-into-2000", 900.0))
    ]
    assert "| 0: 300.0, 2,000: 900.0 | 1 | 3.00 | need not be |" in growth.markdown(rows)


def test_one_load_alone_is_no_line() -> None:
    assert growth.markdown([row("direct", 0, "sse/n1000-w1-128B", us_per_del=8.0)]) == ""


@pytest.mark.parametrize("line", growth.LINES, ids=lambda line: line.words[:30])
def test_every_load_of_a_line_is_in_the_full_bench(line: growth.Line) -> None:
    planned = {case.name for case in matrix.cases("full")}
    assert {f"sse/{load}" for _, load in line.loads} <= planned
