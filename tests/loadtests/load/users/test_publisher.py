from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Event
from loadtests.load.users.publisher import KINDS, NS_PER_S, Publisher, eased, instants
from loadtests.load.users.recorder import Publications
from loadtests.records.schema import ABSENT_NS

_rates = st.floats(0.1, 2000)


@given(st.sampled_from(KINDS), st.integers(0, 2**62), _rates, st.floats(0, 0.999))
def test_instants_ascend_from_the_start_and_repeat_with_the_seed(
    kind: str, start_ns: int, rate_per_s: float, phase: float
) -> None:
    first = list(islice(instants(kind, start_ns, rate_per_s, phase, "seed"), 50))
    assert first == list(islice(instants(kind, start_ns, rate_per_s, phase, "seed"), 50))
    assert first[0] >= start_ns
    assert all(earlier <= later for earlier, later in pairwise(first))


def test_constant_arrivals_do_not_drift() -> None:
    thousandth_ns = next(islice(instants("constant", 0, 3.0, 0.5, ""), 3000, None))
    assert thousandth_ns == round(3000.5 * NS_PER_S / 3)


def test_two_publishers_of_half_the_rate_alternate() -> None:
    left = list(islice(instants("constant", 0, 5.0, 0.0, ""), 4))
    right = list(islice(instants("constant", 0, 5.0, 0.5, ""), 4))
    merged = sorted(left + right)
    assert {later - earlier for earlier, later in pairwise(merged)} == {NS_PER_S // 10}


def test_poisson_arrivals_have_the_rate_and_its_spread() -> None:
    count = 20_000
    gaps_s = [
        (later - earlier) / NS_PER_S
        for earlier, later in pairwise(islice(instants("poisson", 0, 50.0, 0.0, "seed"), count + 1))
    ]
    mean_s = sum(gaps_s) / count
    variance = sum((gap_s - mean_s) ** 2 for gap_s in gaps_s) / count
    assert mean_s == pytest.approx(1 / 50, rel=0.03)
    assert variance**0.5 == pytest.approx(mean_s, rel=0.05), "exponential gaps spread as wide as their mean"


def test_poisson_seeds_differ() -> None:
    assert next(instants("poisson", 0, 1.0, 0.0, "1.0")) != next(instants("poisson", 0, 1.0, 0.0, "1.1"))


def test_a_burst_has_a_seconds_messages_at_once() -> None:
    assert list(islice(instants("burst", 7, 3.0, 0.9, ""), 7)) == [7] * 3 + [7 + NS_PER_S] * 3 + [7 + 2 * NS_PER_S]


def test_a_fast_schedule_begins_slowly_and_a_slow_one_as_it_is() -> None:
    fast = list(islice(eased(instants("constant", 0, 400.0, 0.0, ""), NS_PER_S // 4), 120))
    assert [due_ns // 1_000_000 for due_ns in fast[:14]] == [*range(0, 250, 20), 250]
    assert {later - earlier for earlier, later in pairwise(fast[13:])} == {NS_PER_S // 400}
    slow = list(islice(instants("constant", 0, 40.0, 0.5, ""), 30))
    assert list(eased(slow, NS_PER_S)) == slow


def test_no_rate_is_no_message() -> None:
    assert list(instants("constant", 0, 0.0, 0.0, "")) == []


@pytest.mark.parametrize(("kind", "rate_per_s", "complaint"), [("steady", 1.0, "steady"), ("burst", -1.0, "-1.0")])
def test_a_bad_schedule_is_named(kind: str, rate_per_s: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        instants(kind, 0, rate_per_s, 0.0, "")


class FakeAlarms:
    """Rings when asked to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Callable[[], None]]] = []

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        self.waiting.append((due_ns, callback))

    def ring(self) -> int:
        due_ns, callback = self.waiting.pop(0)
        callback()
        return due_ns


@pytest.fixture
def alarms() -> FakeAlarms:
    return FakeAlarms()


def _publisher(alarms: FakeAlarms, sent: list[tuple[str, str]], *, spin: bool = False) -> Publisher:
    return Publisher(Publications(7, 2), lambda content, ref: sent.append((content, ref)), alarms, 128, spin=spin)  # type: ignore[arg-type]


def test_each_message_carries_its_own_instant_however_late_it_is(alarms: FakeAlarms) -> None:
    sent: list[tuple[str, str]] = []
    publisher = _publisher(alarms, sent)
    publisher.start(iter([1000, 2000, 3000]), until_ns=3000)
    assert [alarms.ring(), alarms.ring()] == [1000, 2000]
    assert alarms.waiting == [], "3000 is not before the end"
    stamps = [stamp.read(content) for content, _ in sent]
    assert [(found[0], found[1], found[2]) for found in stamps if found] == [(7, 0, 1000), (7, 1, 2000)]
    assert [ref for _, ref in sent] == ["7.0", "7.1"]
    assert {len(content) for content, _ in sent} == {128}
    table = publisher.publications.table()
    assert table[:, 0].tolist() == [1000, 2000]
    assert table[:, 2:].tolist() == [[ABSENT_NS, -1, ABSENT_NS]] * 2


def test_a_send_that_fails_does_not_end_the_schedule(alarms: FakeAlarms) -> None:
    publisher = _publisher(alarms, [])
    publisher._send = _broken
    publisher.start(iter([1000, 2000]), until_ns=9000)
    with pytest.raises(OSError, match="broken"):
        alarms.ring()
    assert [due_ns for due_ns, _ in alarms.waiting] == [2000]


def _broken(content: str, ref: str) -> None:
    raise OSError("broken")


def test_spinning_never_publishes_early(alarms: FakeAlarms) -> None:
    sent: list[tuple[str, str]] = []
    publisher = _publisher(alarms, sent, spin=True)
    due_ns = time.monotonic_ns() + 300_000
    publisher.start(iter([due_ns]), until_ns=due_ns + 1)
    assert alarms.waiting[0][0] < due_ns
    alarms.ring()
    scheduled_ns, sent_ns = publisher.publications.table()[0, :2].tolist()
    assert scheduled_ns == due_ns <= sent_ns


def test_answers_find_their_message(alarms: FakeAlarms) -> None:
    publisher = _publisher(alarms, [])
    publisher.start(iter([1000, 2000]), until_ns=9000)
    alarms.ring()
    alarms.ring()
    publisher.answered(Event(type="ack", ref="7.1", id="abcdefgh:12"), 5000)
    publisher.answered(Event(type="error", ref="7.0", code="rate_limited"), 5000)
    publisher.answered(Event(type="ack", ref="8.0", id="abcdefgh:13"), 5000)
    publisher.answered(Event(type="ack", ref="somebody", id="abcdefgh:13"), 5000)
    assert publisher.publications.table()[:, 3].tolist() == [-1, 12]
    assert publisher.publications.table()[:, 4].tolist() == [5000, ABSENT_NS]


def test_a_stopped_publisher_sets_no_further_alarm(alarms: FakeAlarms) -> None:
    sent: list[tuple[str, str]] = []
    publisher = _publisher(alarms, sent)
    publisher.start(iter([1000, 2000, 3000]), until_ns=9000)
    publisher.stop()
    alarms.ring()
    assert alarms.waiting == []
