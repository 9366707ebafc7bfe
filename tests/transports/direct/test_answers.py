"""The answers of polls: the same whichever way they are made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.model import Position
from transports.direct.answers import Frame, PollAnswers
from transports.longpoll import LongPollAnswer


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=8))
def test_slices_are_what_each_would_have_got_by_itself(bodies: list[bytes]) -> None:
    frames: list[Frame] = [(body, Position("epoch0001", 1 + index), "chat") for index, body in enumerate(bodies)]
    answers = PollAnswers(LongPollAnswer)
    rest_after = answers.rests(frames)
    assert [rest_after(seen) for seen in range(len(frames))] == [
        answers.caught_up(frames[seen:]) for seen in range(len(frames))
    ]
