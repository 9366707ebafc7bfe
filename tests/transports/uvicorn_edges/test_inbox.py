"""The inbox of a WebSocket: messages in order, and news of them for all who wait."""

from __future__ import annotations

from tests.core.instances import settled
from transports.uvicorn_edges.inbox import Inbox


async def test_messages_wait_in_order() -> None:
    inbox = Inbox()
    news = inbox.news()
    await settled()
    assert not news.done()
    for code in (1, 2, 3):
        inbox.put_nowait({"type": "websocket.disconnect", "code": code})
    assert news.done()
    assert [each["code"] for each in inbox.messages] == [1, 2, 3]  # type: ignore[typeddict-item]


async def test_who_is_cancelled_takes_nothing_and_is_forgotten() -> None:
    inbox = Inbox()
    gone, here = inbox.news(), inbox.news()
    gone.cancel()
    inbox.put_nowait({"type": "websocket.connect"})
    assert here.done()
    assert inbox.messages == [{"type": "websocket.connect"}]
    for _ in range(3):  # an app that asks for a while, and asks again
        inbox.news().cancel()
    assert len(inbox._waiters) == 1
