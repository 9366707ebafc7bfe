"""Bars of small rooms, POSTs and memory, on rows with known answers."""

from __future__ import annotations

import re

import pytest

from loadtests.evidence.bench import bars
from loadtests.evidence.bench.bar import Bar
from loadtests.evidence.bench.groups import GROUPS, batches
from loadtests.evidence.bench.idle import IdleGroup
from loadtests.evidence.bench.matrix import cases
from loadtests.evidence.bench.redis_load import RedisGroup
from loadtests.evidence.bench.redis_script import ScriptGroup
from loadtests.evidence.bench.rooms import RoomsGroup
from tests.loadtests.evidence.bench.test_summary import row

TWO = "websocket/rooms-250x2"
BARE = "plain Starlette"


def bar(words: str) -> Bar:
    (found,) = [each for each in bars.BARS if each.words.startswith(words)]
    return found


def test_rooms_of_two_are_compared_with_plain_starlette_in_the_same_repeat() -> None:
    rows = [row("direct", 0, TWO, us_per_msg=40.0), row(BARE, 0, TWO, us_per_msg=50.0)]
    rows += [row("direct", 1, TWO, us_per_msg=90.0), row(BARE, 1, TWO, us_per_msg=100.0)]
    found = bar(f"rooms of 2: CPU per message against {BARE}")
    assert found.found(rows) == pytest.approx((0.85, 0.8, 0.9))
    assert not found.kept(0.85)


def test_what_another_machine_costs_is_scaled_by_the_yardstick() -> None:
    yardstick = row(BARE, 0, "sse/rooms-250x2-yardstick", us_per_msg=102.0)
    rows = [row("direct", 0, "sse/rooms-250x1", us_per_msg=280.0), yardstick]
    scaled = bar("POST to sse, rooms of 1: µs of CPU per message")
    assert scaled.found(rows) == pytest.approx((140.0, 140.0, 140.0))
    assert scaled.found(rows[:1]) is None
    elsewhere = row(BARE, 0, TWO, us_per_msg=51.0)
    assert scaled.found([*rows, elsewhere]) == scaled.found(rows), "what is measured in turn counts"
    assert "at most 150 | 140 (140 to 140) | yes |" in bars.markdown(rows)
    assert bars.markdown(rows).startswith("1 of 1 bars are kept, judged by the median.")


def test_what_tls_adds_is_a_difference() -> None:
    rows = [row("direct", 0, "sse/memory-500", kib_per_conn=8.0)]
    rows.append(row("direct", 0, "sse/memory-500-tls", kib_per_conn=38.0))
    added = bar("sse: KiB that TLS adds to each of 500 idle connections, direct")
    assert added.found(rows) == (30.0, 30.0, 30.0)
    assert "at most 24 | 30.00 (30.00 to 30.00) | **no** |" in bars.markdown(rows)


def test_a_missed_bar_says_why_and_a_kept_one_does_not() -> None:
    case = "websocket/rooms-100x10"
    ws = [row("ws, node", repeat, case, us_per_msg=100.0) for repeat in range(3)]
    slow = [row("direct", repeat, case, us_per_msg=cost) for repeat, cost in enumerate((105.0, 110.0, 120.0))]
    text = bars.markdown([*ws, *slow])
    assert "at most 1 | 1.10 (1.05 to 1.20) | **no**: ws sends no acks" in text
    assert "some of its runs keep it" not in text
    near = [row("direct", repeat, case, us_per_msg=cost) for repeat, cost in enumerate((95.0, 110.0, 120.0))]
    assert "node compiles its code; some of its runs keep it |" in bars.markdown([*ws, *near])
    fast = [row("direct", repeat, case, us_per_msg=90.0) for repeat in range(3)]
    assert "at most 1 | 0.90 (0.90 to 0.90) | yes |" in bars.markdown([*ws, *fast])


@pytest.mark.parametrize("pattern", bars.reasons())
def test_a_reason_is_of_bars_that_there_are(pattern: str) -> None:
    measured = [row("direct", 0, f"sse/n1000-r9-128B{more}") for more in ("", "-1stalled")]
    words = [each.words for each in (*bars.BARS, *bars.half_rate_bars(measured), *bars.stalled_bars(measured))]
    assert any(re.search(pattern, each) for each in words)


def test_no_bar_has_two_reasons() -> None:
    for each in bars.BARS:
        assert sum(re.search(pattern, each.words) is not None for pattern in bars.reasons()) <= 1, each.words


def test_every_bar_has_words_of_its_own() -> None:
    words = [each.words for each in bars.BARS]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("each", bars.BARS, ids=lambda each: each.words)
def test_what_a_bar_asks_for_is_measured(each: Bar) -> None:
    planned = {(case.name, name) for case in cases("default", GROUPS) for name in case.systems}
    for batch in batches(GROUPS):
        assert isinstance(batch, RoomsGroup | IdleGroup | RedisGroup | ScriptGroup)
        planned |= {
            (f"{transport}/{load}", name)
            for transport in batch.transports
            for load in batch.load_names
            for name in batch.systems
        }
    assert (each.case, each.ours) in planned
    assert each.theirs is None or (getattr(each, "yardstick_case", each.case), each.theirs) in planned


def test_bars_of_rooms_of_two_and_ten_have_ratios_from_every_pass() -> None:
    (rooms,) = batches(["rooms"])
    assert isinstance(rooms, RoomsGroup)
    assert rooms.passes % 2 == 0, "as often forth as back"
    assert 3 * rooms.passes >= 6
    cases = {f"websocket/{load.name}" for load in rooms.loads}
    asked = {name for each in bars.BARS if each.case in cases for name in (each.ours, each.theirs)}
    assert asked.isdisjoint(rooms.rarely)
