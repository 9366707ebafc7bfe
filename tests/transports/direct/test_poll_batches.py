"""Pollers answered together: who joins which round, how long it is held, and that nobody misses or repeats an event."""

from __future__ import annotations

from tests.transports.direct.poll_room import (
    JOINED,
    WRITE_S,
    Poller,
    Room,
    answered_once,
    come_back_together,
    delivered,
)
from tests.transports.direct.sink import FakeSink


def test_a_coalescing_time_answers_with_all_it_brought() -> None:
    room = Room(coalesce_s=0.01)
    pollers = [Poller(room) for _ in range(2)]
    for _ in range(3):
        room.publish()
        room.loop.pass_time(0.003)
    assert delivered(pollers) == [[], []]
    room.loop.pass_time(0.003)
    assert delivered(pollers) == [[[1, 2, 3]]] * 2
    room.publish()
    for poller in pollers:
        poller.come_back()
    room.loop.pass_time(0.003)
    assert delivered(pollers) == [[[1, 2, 3]]] * 2
    room.loop.pass_time(0.01)
    assert delivered(pollers) == [[[1, 2, 3], [4]]] * 2


def test_a_round_waits_for_those_who_are_on_their_way_back() -> None:
    room, pollers = answered_once(3)
    pollers[0].come_back()
    room.publish(2)
    room.loop.end_turns()
    pollers[1].come_back()
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1]]] * 3
    pollers[2].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3, 4]]] * 3


def test_a_round_that_begins_with_nobody_back_is_theirs_too() -> None:
    room, pollers = answered_once(2)
    room.publish(2)
    for poller in pollers:
        poller.come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3]]] * 2


def test_it_waits_at_most_twice_as_long_as_the_last_one_took() -> None:
    room, pollers = answered_once(3)
    pollers[0].come_back()
    room.publish()
    room.loop.pass_time(5.9 * WRITE_S)
    assert delivered(pollers) == [[[1]]] * 3
    room.loop.pass_time(0.2 * WRITE_S)
    assert delivered(pollers) == [[[1], [2]], [[1]], [[1]]]
    pollers[1].come_back()
    assert delivered(pollers) == [[[1], [2]], [[1], [2]], [[1]]]


def test_those_who_missed_a_round_and_were_answered_by_themselves_are_waited_for_too() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish()
    room.loop.pass_time(1.0)
    pollers[1].come_back()
    assert delivered(pollers) == [[[1], [2]]] * 2
    assert [poller.waits for poller in pollers] == [False, False]
    pollers[0].come_back()
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2]]] * 2, "the batch would stay divided"
    pollers[1].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2], [3]]] * 2


def test_a_round_has_no_hole_when_the_time_runs_out_before_anybody_is_back() -> None:
    room, pollers = answered_once(1)
    room.publish()
    room.loop.now_s += 1.0  # before the timer rings
    room.publish()
    pollers[0].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3]]]


def test_nothing_is_held_once_everybody_is_back_or_the_time_is_over() -> None:
    room, pollers = answered_once(2)
    for poller in pollers:
        poller.come_back()
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2]]] * 2
    pollers[0].come_back()
    room.loop.pass_time(1.0)
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2], [3]], [[1], [2]]]


def test_one_that_is_further_behind_is_answered_up_to_where_the_others_wait() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.loop.pass_time(0.1)
    room.publish()
    room.loop.end_turns()
    pollers[0].come_back()
    room.loop.pass_time(0.1)
    room.publish()
    pollers[1].come_back()  # at 1, while 3 is still to be delivered
    assert delivered(pollers) == [[[1], [2]], [[1], [2]]]
    pollers[1].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2], [3]]] * 2


def test_those_who_know_part_of_what_the_others_wait_for_get_the_rest_with_them() -> None:
    room, pollers = answered_once(4)
    pollers[0].come_back()
    room.publish(2)
    pollers[1].receive([2])  # on another instance
    pollers[2].receive([2, 3])
    for poller in pollers[1:3]:
        poller.come_back()
    assert delivered(pollers[:3]) == [[[1]], [[1], [2]], [[1], [2, 3]]]
    pollers[3].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3]], [[1], [2], [3]], [[1], [2, 3]], [[1], [2, 3]]]
    assert pollers[2].waits
    room.publish()
    room.loop.pass_time(3 * 2 * WRITE_S)
    assert pollers[2].delivered == [[1], [2, 3], [4]]


def test_news_of_who_came_waits_longer_for_those_who_are_on_their_way_back() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.19)
    room.publish(kind=JOINED)
    assert delivered(pollers) == [[[1]]] * 2
    pollers[1].come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3]]] * 2
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.21)
    assert delivered(pollers) == [[[1], [2, 3], [4]], [[1], [2, 3]]]


def test_news_of_who_came_waits_as_long_as_writes_and_next_polls_allow() -> None:
    room, pollers = answered_once(2)
    for poller in pollers:
        poller.come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(16 * 2 * 2 * WRITE_S - 0.001)
    assert delivered(pollers) == [[[1]]] * 2
    room.loop.pass_time(0.002)
    assert delivered(pollers) == [[[1], [2]]] * 2


def test_a_message_takes_the_news_of_who_came_along_in_its_own_time() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.05)
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2, 3]], [[1]]]


def test_a_room_with_events_by_the_dozen_bounds_a_round() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(256)
    assert [len(each) for each in pollers[0].delivered] == [1, 256]


def test_a_crowd_comes_back_together_or_not_at_all() -> None:
    room, pollers = answered_once(3)
    room.publish()
    assert come_back_together(room, pollers)
    assert not come_back_together(room, pollers[:1]), "it waits"
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2]]] * 3
    room.publish(2)
    pollers[0].receive([3])  # on another instance
    pollers[0].come_back()
    assert not come_back_together(room, pollers), "one of them waits for a part"
    assert come_back_together(room, pollers[1:])
    room.loop.end_turns()
    assert delivered(pollers) == [[[1], [2], [3], [4]], *[[[1], [2], [3, 4]]] * 2]


def test_news_of_who_came_waits_for_pollers_who_have_just_come_themselves() -> None:
    room = Room()
    pollers = []
    for _ in range(3):
        pollers.append(Poller(room, asks_where=True))
        room.publish(kind=JOINED)
        room.loop.end_turns()
    for poller in pollers:
        poller.come_back()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1, 2, 3]], [[2, 3]], [[3]]], (
        "each would be answered by itself, come back late, and so on"
    )


def test_a_late_one_whose_socket_is_filled_by_its_answer_gets_nothing_past_its_buffer() -> None:
    room, pollers = answered_once(2)
    room.publish(2)
    late = pollers[0]
    late.receive([2])
    socket = FakeSink(late.subscription, raw=True)

    def fill(data: bytes) -> None:
        late.write(data)
        late.subscription.rewire(fill)

    late.subscription.rewire(fill, socket.descriptor)
    late.come_back()
    pollers[1].come_back()
    room.loop.end_turns()
    assert (delivered(pollers), socket.written) == ([[[1], [2], [3]], [[1], [2, 3]]], [])
