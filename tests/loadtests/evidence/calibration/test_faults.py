from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.evidence.calibration.faults import Delivery, FaultRoom, Faults
from loadtests.load.clients import stamp


def _deliveries(faults: Faults, count: int) -> list[Delivery]:
    room = FaultRoom("lobby", faults)
    made = []
    for message in range(count):
        made += room.publish("user", "content", f"0.{message}", accepted_ns=message * 1_000_000_000)[1]
    return sorted(made)


def _offsets(faults: Faults, count: int) -> list[int]:
    return [delivery.offset for delivery in _deliveries(faults, count)]


@given(st.integers(0, 60), st.floats(0, 500))
def test_without_faults_each_message_is_delivered_once_after_the_delay(count: int, delay_ms: float) -> None:
    deliveries = _deliveries(Faults(delay_ms=delay_ms), count)
    assert [delivery.offset for delivery in deliveries] == list(range(1, count + 1))
    for message, delivery in enumerate(deliveries):
        assert delivery.due_ns == message * 1_000_000_000 + int(delay_ms * 1e6)


def test_every_nth_message_is_lost() -> None:
    assert _offsets(Faults(lose_every=3), 7) == [1, 2, 4, 5, 7]


def test_every_nth_message_is_duplicated() -> None:
    assert _offsets(Faults(duplicate_every=3), 6) == [1, 2, 3, 3, 4, 5, 6, 6]


def test_every_nth_message_follows_its_successor() -> None:
    assert _offsets(Faults(reorder_every=3), 7) == [1, 2, 4, 3, 5, 7, 6]


def test_a_message_that_the_kernel_had_before_its_predecessor_is_not_delivered_before_it() -> None:
    room = FaultRoom("lobby", Faults())
    first, second = (room.publish("user", "content", "", accepted_ns)[1] for accepted_ns in (2_000_000, 1_000_000))
    assert [delivery.offset for delivery in sorted([*second, *first])] == [1, 2]


def test_the_delay_counts_from_the_instant_in_the_message() -> None:
    room = FaultRoom("lobby", Faults(delay_ms=5))
    content = stamp.build(publisher=0, message=0, scheduled_ns=1_000_000, sent_ns=1_200_000, payload_bytes=64)
    _, (delivery,) = room.publish("user", content, "", accepted_ns=1_400_000)
    assert delivery.due_ns == 6_000_000


def test_the_two_point_delay_has_two_points() -> None:
    deliveries = _deliveries(Faults(delay_ms=5, late_ms=20, late_every=2), 4)
    delays_ms = [(delivery.due_ns - (delivery.offset - 1) * 1_000_000_000) / 1e6 for delivery in deliveries]
    assert delays_ms == [5, 20, 5, 20]


def test_every_nth_publication_of_a_room_is_refused() -> None:
    room = FaultRoom("lobby", Faults(refuse_every=3))
    assert [room.refuses() for _ in range(7)] == [False, False, True, False, False, True, False]
    assert not any(FaultRoom("lobby", Faults()).refuses() for _ in range(5))
