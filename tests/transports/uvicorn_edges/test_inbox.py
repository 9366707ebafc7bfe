"""The inbox of a WebSocket: messages in order, each taken once, none by who was cancelled."""

from __future__ import annotations

import asyncio

from tests.core.instances import settled
from transports.uvicorn_edges.inbox import Inbox


async def test_messages_are_taken_in_order() -> None:
    inbox = Inbox()
    taking = asyncio.ensure_future(inbox.get())
    await settled()
    for code in (1, 2, 3):
        inbox.put_nowait({"type": "websocket.disconnect", "code": code})
    assert (await taking)["code"] == 1  # type: ignore[typeddict-item]
    assert (await inbox.get())["code"] == 2  # type: ignore[typeddict-item]
    assert inbox.get_nowait()["code"] == 3  # type: ignore[typeddict-item]
    assert inbox.empty()


async def test_who_is_cancelled_takes_nothing() -> None:
    inbox = Inbox()
    gone, here = asyncio.ensure_future(inbox.get()), asyncio.ensure_future(inbox.get())
    await settled()
    inbox.put_nowait({"type": "websocket.connect"})
    gone.cancel()
    await settled()
    assert here.result() == {"type": "websocket.connect"}
    assert not inbox._waiters
