"""What a message costs by the size of the room, and what the machine was like, on rows with known answers."""

from __future__ import annotations

from loadtests.evidence.bench import glance
from tests.loadtests.evidence.bench.test_summary import row

TWO = "websocket/rooms-250x2"
BARE = "plain Starlette"


def test_a_row_has_a_message_s_cost_on_each_system_and_nothing_where_none_was_measured() -> None:
    rows = [row("direct", repeat, TWO, us_per_msg=cost) for repeat, cost in enumerate((60.0, 50.0, 80.0))]
    rows.append(row("nchan", 0, "sse/n1000-w1-128B", us_per_del=8.0, n=1000))
    text = glance.markdown(rows)
    assert "| WebSocket, room of 2 | 60 |  |  |  |  |  |" in text
    assert "| POST to SSE, room of 1,000 |  |  |  |  |  | 8,000 |" in text
    assert "one core of this machine, always busy, carries about 16,700 messages a second" in text
    assert glance.markdown([]) == ""


def test_a_slow_machine_and_one_that_was_not_quiet_are_said_so() -> None:
    rows = [row(BARE, repeat, TWO, us_per_msg=cost) for repeat, cost in enumerate((90.0, 102.0, 117.0))]
    text = glance.machine(rows)
    assert "took plain Starlette 102 µs in this run, and 51 µs on the machine" in text
    assert "**this machine was 2.0 times as slow.**" in text
    assert "differs by a factor of 1.14 (median; at most 1.14): **the machine was not quiet**" in text


def test_a_machine_as_fast_as_the_goals_is_said_so_and_a_quiet_one() -> None:
    rows = [row(BARE, repeat, TWO, us_per_msg=cost) for repeat, cost in enumerate((50.0, 52.0))]
    text = glance.machine(rows)
    assert "about as on the machine on which the goals were set (51 µs)" in text
    assert text.endswith("it was quiet.")
    assert "2.0 times as fast" in glance.machine([row(BARE, 0, TWO, us_per_msg=25.5)])
    assert glance.machine([]) == ""
