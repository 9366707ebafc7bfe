"""One direction of a link, by a clock of the test's own."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loadtests.records.link_spec import Link
from loadtests.run.links import Direction

MS = 1_000_000


def direction(seed: int = 1, **asked: float) -> Direction:
    return Direction(Link(**{"rtt_ms": 50.0, **asked}), random.Random(seed))


def test_every_packet_takes_half_of_the_round_trip() -> None:
    way = direction()

    assert [way.admit(now, 100) for now in (0, 5 * MS, 6 * MS)] == [25 * MS, 30 * MS, 31 * MS]


def test_a_rate_sends_one_packet_after_the_other() -> None:
    way = direction(rate_mbit=8)  # a byte a microsecond

    assert [way.admit(0, 1000), way.admit(0, 1000)] == [26 * MS, 27 * MS]
    assert way.admit(100 * MS, 1000) == 126 * MS, "an idle line owes nothing"


def test_loss_takes_its_share() -> None:
    way = direction(loss_percent=2)
    lost = sum(way.admit(number * MS, 100) is None for number in range(20_000))

    assert 320 < lost < 480  # 400, within four standard errors


@given(
    seed=st.integers(0, 2**32),
    gaps_us=st.lists(st.integers(0, 200_000), min_size=1, max_size=300),
    jitter_ms=st.floats(0.1, 50),
)
def test_jitter_keeps_the_order_and_its_bounds(seed: int, gaps_us: list[int], jitter_ms: float) -> None:
    way, now_ns, before_ns = direction(seed, jitter_ms=jitter_ms), 10**12, 0
    for gap_us in gaps_us:
        now_ns += 1000 * gap_us
        due_ns = way.admit(now_ns, 100)
        assert due_ns is not None
        assert before_ns <= due_ns
        assert abs(due_ns - now_ns - 25 * MS) <= jitter_ms * MS / 2 + 1
        before_ns = due_ns


def test_jitter_leaves_the_mean_where_it_was_asked_to_be_however_dense_the_traffic() -> None:
    for gap_ns in (MS // 10, 20 * MS):
        way = direction(jitter_ms=10)
        instants = range(0, 100_000 * MS, gap_ns)
        delays_ms = [((way.admit(now_ns, 100) or 0) - now_ns) / MS for now_ns in instants]

        assert abs(sum(delays_ms) / len(delays_ms) - 25) < 0.2
        assert max(abs(b - a) for a, b in pairwise(delays_ms)) > 0
