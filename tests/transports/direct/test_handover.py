"""What a direct WebSocket begins by hand: most of it ends at once, and what has to wait becomes a task."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.transports.wire_end import WireEnd, turns


async def _accept(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await receive()


async def test_what_is_begun_by_hand_goes_on_in_a_task() -> None:
    end = WireEnd(_accept)
    await end.upgraded()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work(waits: bool) -> None:
        seen.append("begun")
        if waits:
            seen.append(await answer)
            await asyncio.sleep(0)
        seen.append("done")

    end.protocol.run(work(waits=False))
    assert (seen, len(end.state.tasks)) == (["begun", "done"], 0)
    end.protocol.run(work(waits=True))
    assert len(end.state.tasks) == 1
    answer.set_result("answered")
    await turns()
    assert (seen[2:], len(end.state.tasks)) == (["begun", "answered", "done"], 0)
    await end.end()


async def test_a_shutdown_cancels_what_was_begun_by_hand() -> None:
    end = WireEnd(_accept)
    await end.upgraded()
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append("cancelled")

    end.protocol.run(work())
    (task,) = end.state.tasks
    await turns()
    task.cancel()
    await turns()
    assert (seen, task.cancelled()) == (["cancelled"], True)
    await end.end()


async def test_what_is_begun_by_hand_may_wait_for_what_others_wait_for() -> None:
    end = WireEnd(_accept)
    await end.upgraded()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> None:
        seen.append(await answer)

    other = asyncio.create_task(work())
    end.protocol.run(work())
    await turns()
    answer.set_result("answered")
    await turns()
    assert (seen, other.done()) == (["answered"] * 2, True)
    await end.end()


async def test_two_that_are_begun_by_hand_may_wait_for_the_same() -> None:
    end = WireEnd(_accept)
    await end.upgraded()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> None:
        seen.append(await answer)

    for _ in range(2):
        end.protocol.run(work())
    await turns()
    answer.set_result("answered")
    await turns()
    assert seen == ["answered"] * 2
    await end.end()


async def test_a_stream_that_was_handed_over_keeps_nothing_of_its_request() -> None:
    class Stream:
        def pause(self) -> None: ...

        resume = lost = pause

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["extensions"]["rtlab.connection"]["protocol"].take_over(Stream())

    end = WireEnd(app)
    end.send(b"GET /rooms/lobby/events?since=a:1 HTTP/1.1\r\nHost: x\r\n\r\n")
    kept = end.protocol.request_bytes, end.protocol._known
    await turns()
    left = end.protocol.request_bytes, end.protocol._known
    assert None not in kept
    assert left == (b"", None)
    await end.end()
