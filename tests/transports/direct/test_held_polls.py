"""What pollers are told: the same whichever way it is made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.model import Position
from tests.core.instances import instance
from transports.direct.held_polls import Frame, Parking
from transports.longpoll import LongPollAnswer


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=8))
async def test_slices_are_what_each_would_have_been_told(bodies: list[bytes]) -> None:
    frames: list[Frame] = [(body, Position("epoch0001", 1 + index), "chat") for index, body in enumerate(bodies)]
    async with instance() as one:
        parking = Parking(one.hub, LongPollAnswer)
        rest_after = parking.rests(frames)
        assert [rest_after(seen) for seen in range(len(frames))] == [
            parking.caught_up(frames[seen:]) for seen in range(len(frames))
        ]
