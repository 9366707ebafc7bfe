"""Polls that wait in a hub's fan-out, as a test holds them."""

from __future__ import annotations

from typing import Any

from core.model import FrameKind, Position
from core.settings import Settings
from core.subscription import Subscription
from tests.core.instances import ROOM, Instance, decoded, frame, gist, waiting
from tests.core.sink import FakeSink, Together

SHORT = Settings(rate_per_s=0.0, presence_ttl_s=6.0)


ANSWER = Together(b'{"type":"answer"}\n')  # all that came, and a mark that this is one answer


def poll_frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> Any:
    """Of polls alone: who has the same framing is told by the same fan-out."""
    return frame(body, position)


async def parked(one: Instance) -> tuple[Subscription, FakeSink]:
    """A poll that was told what there was when it came, and now waits."""
    subscription = await one.hub.attach(one.who(), ROOM, "poll", poll_frame, poller=True, answer=ANSWER)
    waiting(subscription)
    sink = FakeSink(subscription)
    subscription.connect(sink)
    return subscription, sink


def told(sink: FakeSink) -> list[str]:
    return gist(decoded([line + b"\n" for line in sink.heard()]))
