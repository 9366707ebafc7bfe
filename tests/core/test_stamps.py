"""The record of steps keeps the first of repeated stamps, and says which are missing."""

from __future__ import annotations

from core.model import Position, RoomId
from core.stamps import COLUMNS, Stamps

ROOM = RoomId("lobby")
FIRST, SECOND = Position("epoch123", 1), Position("epoch123", 2)


def _rows(stamps: Stamps) -> list[list[str]]:
    header, *lines = stamps.lines()
    assert tuple(header.split(",")) == COLUMNS
    return [line.split(",") for line in lines]


def test_an_event_s_steps_are_reported_in_order() -> None:
    stamps = Stamps()
    stamps.received(ROOM, FIRST, 30)
    stamps.written([FIRST], 40, 50)
    stamps.published(ROOM, FIRST, 10, 60)
    # Within one process the hub is notified before the publish returns: by then it was appended.
    assert _rows(stamps) == [["lobby", "1", "10", "30", "30", "40", "50"]]


def test_the_way_through_a_store_is_between_appended_and_received() -> None:
    stamps = Stamps()
    stamps.published(ROOM, FIRST, 10, 20)
    stamps.received(ROOM, FIRST, 70)
    assert _rows(stamps) == [["lobby", "1", "10", "20", "70", "-1", "-1"]]


def test_repeats_change_nothing_and_passes_are_joined() -> None:
    stamps = Stamps()
    for shift_ns in (0, 100):
        stamps.received(ROOM, SECOND, 30 + shift_ns)
        stamps.written([SECOND], 40 + shift_ns, 50 + shift_ns)
        stamps.published(ROOM, SECOND, 10 + shift_ns, 60 + shift_ns)
    assert _rows(stamps) == [["lobby", "2", "10", "30", "30", "40", "150"]]


def test_writes_of_what_is_not_known_are_not_kept() -> None:
    stamps = Stamps()
    stamps.written([FIRST], 1, 2)
    assert _rows(stamps) == []
