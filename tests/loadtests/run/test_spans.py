"""What users who come and go are owed, and what of it they got."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, Counts, Phase
from loadtests.records.shard import UserSpan
from loadtests.run import spans

S = 1_000_000_000


def publishes(*sent_s: int, room: int = 0) -> pa.Table:
    """A message a second, each accepted with its second as its offset."""
    rows = [
        {
            "cell": "c", "publisher": room, "message": number, "room": room, "scheduled_ns": second * S,
            "sent_ns": second * S, "accepted_ns": second * S + 1, "offset": second, "phase": Phase.MEASURED,
            "refused_ns": ABSENT_NS,
        }
        for number, second in enumerate(sent_s)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PUBLISHES)


def samples(*received: tuple[int, int], room: int = 0) -> pa.Table:
    """Deliveries: subscriber, offset."""
    nothing = dict.fromkeys(SAMPLES.names, 0)
    rows = [
        nothing | {"cell": "c", "subscriber": subscriber, "offset": offset, "room": room, "phase": Phase.MEASURED}
        for subscriber, offset in received
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def user(number: int, from_s: float, to_s: float, room: int = 0) -> UserSpan:
    return UserSpan(number, room, "U", int(from_s * S), int(to_s * S), None, 0, 0)


def counted(
    received: Sequence[tuple[int, int]], there: Sequence[UserSpan], other_clock: frozenset[int] = frozenset()
) -> Counts:
    return spans.count(samples(*received), publishes(1, 2, 3, 4, 5, 6), there, late_ns=1 * S, other_clock=other_clock)


def test_each_is_owed_what_was_sent_while_it_was_there() -> None:
    found = counted([(0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (1, 4)], [user(0, 0.5, 5.5), user(1, 2.5, 5.5)])
    assert (found.expected, found.received, found.lost) == (6, 6, 0)
    assert found.published == 6


def test_what_comes_before_or_too_late_for_the_stop_is_not_owed_but_may_be_received() -> None:
    found = counted([(0, 2), (0, 3), (0, 4), (0, 5), (0, 6)], [user(0, 2.5, 5.5)])
    assert (found.expected, found.received, found.lost) == (2, 2, 0)


def test_a_hole_is_lost_and_a_second_copy_doubled() -> None:
    found = counted([(0, 1), (0, 3), (0, 3), (0, 4)], [user(0, 0.5, 5.5)])
    assert (found.expected, found.received, found.lost, found.duplicates) == (4, 3, 1, 1)


def test_an_older_message_after_a_newer_is_out_of_order() -> None:
    assert counted([(0, 2), (0, 1), (0, 3), (0, 4)], [user(0, 0.5, 5.5)]).out_of_order == 1


def test_who_never_was_welcome_is_owed_nothing() -> None:
    found = counted([], [user(0, 0, 5.5)])
    assert (found.expected, found.received) == (0, 0)


def test_by_another_clock_owed_is_what_lies_between_the_first_and_the_last_delivery() -> None:
    there = [user(0, 9_000_000, 9_000_005)]
    assert counted([(0, 2), (0, 3), (0, 5)], there, frozenset({0})).lost == 1
    assert counted([], there, frozenset({0})).expected == 0


def test_rooms_are_apart() -> None:
    published = pa.concat_tables([publishes(1, 2), publishes(1, 2, room=1)])
    received = pa.concat_tables([samples((0, 1), (0, 2)), samples((1, 1), room=1)])
    there = [user(0, 0.5, 9), user(1, 0.5, 9, room=1)]
    found = spans.count(received, published, there, late_ns=S, other_clock=frozenset())
    assert (found.expected, found.received, found.lost, found.duplicates) == (4, 3, 1, 0)
