"""Who publishes in a room after its publishing user has stopped: the next one of the room that is connected.

Only where users come and go, that is in plain Locust; a cell of the lab keeps all of them to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from loadtests.load.users.publisher import Publisher


class Candidate(Protocol):
    """A user, as far as it can take a seat."""

    def may_talk_in(self, room: int) -> bool: ...
    def take_over(self, publisher: Publisher) -> None: ...


class Talkers:
    """Publishers that nobody speaks for, and who is next. Closed, it hands nothing on."""

    def __init__(self, users: Iterable[Candidate], note: Callable[[str], None]) -> None:
        """Look for heirs among `users`, whoever they are by then."""
        self.open = False
        self._users = users
        self._note = note
        self._vacant: list[Publisher] = []

    def vacate(self, publisher: Publisher) -> None:
        """Let another user of the publisher's room speak; the next one to come where there is none."""
        publisher.hand_to(None)
        room = publisher.publications.room
        for user in self._users:
            if user.may_talk_in(room):
                user.take_over(publisher)
                return
        self._vacant.append(publisher)
        self._note(f"nobody was left to publish in room {room}: no other user of this process is connected there")

    def offer(self, user: Candidate) -> None:
        """Let `user`, who has just connected, speak for a publisher of its room that nobody speaks for."""
        for publisher in self._vacant:
            if user.may_talk_in(publisher.publications.room):
                self._vacant.remove(publisher)
                user.take_over(publisher)
                return
