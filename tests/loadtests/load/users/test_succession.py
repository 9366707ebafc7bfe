"""When a publishing user stops, another one of its room publishes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from loadtests.load.users.publisher import Publisher, PublisherSuccession
from loadtests.load.users.recorder import Publications


@dataclass
class Alarms:
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def ring(self) -> None:
        self.waiting.pop(0)()


@dataclass
class User:
    room: int
    inside: bool = True
    taken: list[Publisher] = field(default_factory=list)

    def may_publish_in(self, room: int) -> bool:
        return self.inside and not self.taken and self.room == room

    def take_over(self, publisher: Publisher) -> None:
        self.taken.append(publisher)


def _publisher(room: int, alarms: Alarms, sent: list[str]) -> Publisher:
    made = Publisher(Publications(room, room), lambda content, ref: sent.append(ref), alarms, 64)  # type: ignore[arg-type]
    made.start(iter(range(1, 100)), until_ns=100)
    return made


@pytest.fixture
def notes() -> list[str]:
    return []


def test_the_seat_goes_to_one_who_is_connected_in_the_room_and_silent(notes: list[str]) -> None:
    users = [User(0), User(1, inside=False), User(1), User(1)]
    succession = PublisherSuccession(users, notes.append)
    first, second = (_publisher(1, Alarms(), []) for _ in range(2))
    succession.vacate(first)
    succession.vacate(second)
    assert [user.taken for user in users] == [[], [], [first], [second]]
    assert notes == []


def test_a_seat_that_nobody_could_take_is_offered_to_who_comes_next(notes: list[str]) -> None:
    succession = PublisherSuccession([User(0)], notes.append)
    publisher = _publisher(1, Alarms(), [])
    succession.vacate(publisher)
    assert len(notes) == 1
    elsewhere, late, later = User(0), User(1), User(1)
    for user in (elsewhere, late, later):
        succession.offer(user)
    assert [user.taken for user in (elsewhere, late, later)] == [[], [publisher], []]


def test_the_schedule_goes_on_and_what_nobody_published_stands_nowhere(notes: list[str]) -> None:
    alarms, sent = Alarms(), list[str]()
    publisher = _publisher(0, alarms, sent)
    alarms.ring()
    PublisherSuccession([], notes.append).vacate(publisher)
    alarms.ring()
    publisher.hand_to(lambda content, ref: sent.append(f"heir {ref}"))
    alarms.ring()
    assert sent == ["0.0", "heir 0.1"]
    assert publisher.publications.table()[:, 0].tolist() == [1, 3]
