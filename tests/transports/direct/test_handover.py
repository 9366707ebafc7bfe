"""What a direct WebSocket begins by hand: most of it ends at once, and what has to wait becomes a task."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

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


class Stream:
    """Holds a connection, and has nothing to say."""

    def __init__(self) -> None:
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None: ...

    lost = resume

    def receive(self, text: str | None) -> None: ...


async def test_who_closes_a_websocket_is_written_to_no_more() -> None:
    stream = Stream()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _accept(scope, receive, send)
        scope["extensions"]["rtlab.connection"]["protocol"].take_over(stream)

    end = WireEnd(app)
    client = await end.upgraded()
    client.send_close(1000)
    end.send(b"".join(client.data_to_send()))
    assert stream.paused
    assert end.received() == b"\x88\x02\x03\xe8"
    await end.end()


async def test_a_connection_that_was_handed_over_may_become_a_websocket() -> None:
    asked: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["query_string"])
        if scope["type"] == "websocket":
            await _accept(scope, receive, send)
        else:
            scope["extensions"]["rtlab.connection"]["protocol"].take_over(Stream())

    end = WireEnd(app)
    end.send(b"GET /rooms/lobby/poll?since=a:1 HTTP/1.1\r\nHost: x\r\n\r\n")
    await turns()
    end.protocol.respond(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    client = ClientProtocol(parse_uri("ws://127.0.0.1:8000/rooms/lobby/ws?tab=1"))
    client.send_request(client.connect())
    end.send(b"".join(client.data_to_send()))
    await turns()
    assert asked == [b"since=a:1", b"tab=1"]
    assert b"\r\n\r\nHTTP/1.1 101 " in end.received()
    await end.end()


async def test_a_stream_that_was_handed_over_keeps_nothing_of_its_request() -> None:
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
