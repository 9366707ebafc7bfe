"""Held polls, as a test holds them."""

from __future__ import annotations

from typing import Any

from core.model import FrameKind, Position
from core.settings import Settings
from tests.core.instances import ROOM, Instance, decoded, frame, gist, waiting
from tests.transports.direct.sink import FakeSink, Together
from transports.direct.joining import Joining
from transports.direct.returns import Returns
from transports.direct.subscription import PollSubscription

SHORT = Settings(rate_per_s=0.0, presence_ttl_s=6.0)


ANSWER = Together(b'{"type":"answer"}\n')  # all that came, and a mark that this is one answer


def poll_frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> Any:
    """Of polls alone: who has the same framing shares a fan-out."""
    return frame(body, position)


async def held(one: Instance) -> tuple[PollSubscription, FakeSink]:
    """A poll that has taken what there was when it came, and now waits."""
    joining = Joining(one.hub, FakeSink.write_to_each)
    subscription = await joining.attach_poller(one.who(), ROOM, "poll", poll_frame, None, ANSWER)
    waiting(subscription)
    sink = FakeSink(subscription)
    sink.connect()
    return subscription, sink


def resume(one: Instance, subscription: PollSubscription, since: Position) -> list[Any] | None:
    """See `Returns.resume`."""
    return Returns(one.hub).resume(subscription, since)


def after(frames: list[Any]) -> Position:
    """Where a client is that has got these."""
    return Position.parse(decoded(frames)[-1]["id"])


def withdraw(one: Instance, subscription: PollSubscription) -> bool:
    """See `Returns.withdraw`."""
    return Returns(one.hub).withdraw(subscription)


def delivered(sink: FakeSink) -> list[str]:
    return gist(decoded([line + b"\n" for line in sink.received()]))
