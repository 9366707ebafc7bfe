"""The answers of polls, each built once for all who get it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Final

from starlette.responses import Response

from core.model import FrameKind, Position, Start
from transports.base import Respond
from transports.direct.protocols import raw

_KNOWN_ROOMS: Final = 10_000
_KEPT_ANSWERS: Final = 64
_KEPT_BYTES: Final = 131_072  # of a larger one few are asked for twice

Frame = tuple[bytes, Position, FrameKind]


class PollAnswers:
    """Makes whole HTTP responses; called, it answers those who wait together (`subscription.Answer`)."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.default_headers: Callable[[], list[tuple[bytes, bytes]]] = list  # of uvicorn: date and server
        # By a room's epoch, the last common answer's position, and that as its pollers will write it.
        self.last: dict[str, tuple[Position, bytes]] = {}
        self._kept: dict[tuple[Position, Position], bytes] = {}  # by the first and last event in them

    def frame(self, body: bytes, position: Position | None, kind: FrameKind) -> Frame:
        """The framing of all polls. The fan-out batches subscribers by their framing, so all polls need the same."""
        return body, position or Position("", 0), kind

    def __call__(self, frames: list[Frame]) -> bytes:
        """The response for all who waited at the place before these frames."""
        _, position, kind = frames[-1]
        if kind == "resync":
            return self.raw(self._respond(_joined(frames), position, False))
        self._note(position)
        return self.caught_up(frames)

    def rests(self, frames: list[Frame]) -> Callable[[int], bytes]:
        """The responses for those who waited at some place between these frames: slices of what is joined once."""
        position = frames[-1][1]
        self._note(position)
        joined = _joined(frames)
        begins = list(accumulate((len(body) + 1 for body, _, _ in frames), initial=0))
        return lambda seen: self.raw(self._respond(joined[begins[seen] :], position, True))

    def nothing_yet(self, start: Start) -> bytes:
        """The response for one poller for whom nothing has come."""
        return self.raw(self._respond(b"", start.position, start.recovered))

    def caught_up(self, frames: list[Frame]) -> bytes:
        """The response with these frames: built once for all who come from and to the same place."""
        since, position = frames[0][1], frames[-1][1]
        answer = self._kept.get((since, position))
        if answer is None:
            answer = self.raw(self._respond(_joined(frames), position, True))
            if len(answer) <= _KEPT_BYTES:
                if len(self._kept) >= _KEPT_ANSWERS:
                    self._kept.clear()
                self._kept[since, position] = answer
        return answer

    def raw(self, response: Response) -> bytes:
        """A whole HTTP/1.1 response, as uvicorn would write it."""
        return raw(response, self.default_headers())

    def _note(self, position: Position) -> None:
        """Note where those who are answered now will come back from."""
        if len(self.last) >= _KNOWN_ROOMS:
            self.last.clear()
        self.last[position.epoch] = position, str(position).encode()


def _joined(frames: list[Frame]) -> bytes:
    return b",".join([body for body, _, _ in frames])
