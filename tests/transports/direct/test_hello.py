"""A direct WebSocket between its upgrade and its welcome: no task waits for the hello, and nobody is left behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from core.auth import sign
from core.settings import Settings
from tests.core.instances import SECRET, Instance, instance
from tests.transports.wire_end import WireEnd, turns
from transports.conversation import BAD_REQUESTS_IN_A_ROW
from transports.plug import fast_path
from transports.websocket import WebSocketTransport

HELLO = json.dumps({"type": "hello", "token": sign(SECRET, "alice", ["*"], time.time() + 60)})
PING = '{"type":"ping","ref":"p"}'


class Caller:
    """An upgraded connection, and the client's own parser of it."""

    def __init__(self, one: Instance, end: WireEnd, client: ClientProtocol) -> None:
        self.one = one
        self.end = end
        self._client = client

    def say(self, *texts: str) -> None:
        """Send texts in one segment."""
        for text in texts:
            self._client.send_text(text.encode())
        self.end.send(b"".join(self._client.data_to_send()))

    def delivered(self) -> list[dict[str, Any] | int]:
        """The events that came, and the code of a close frame."""
        self._client.receive_data(self.end.received())
        frames = [each for each in self._client.events_received() if isinstance(each, Frame)]
        return [
            Close.parse(each.data).code if each.opcode is Opcode.CLOSE else json.loads(bytes(each.data))
            for each in frames
        ]

    @property
    def connections(self) -> int:
        """How many subscriptions the hub counts."""
        return sum(self.one.hub.stats.connections.values())


@asynccontextmanager
async def called(settings: Settings | None = None) -> AsyncIterator[Caller]:
    async with instance(settings or Settings()) as one:
        end = WireEnd(Starlette(routes=WebSocketTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        try:
            yield Caller(one, end, await end.upgraded())
        finally:
            await end.end()
            await turns()


async def test_no_task_waits_for_a_hello() -> None:
    async with called() as caller:
        assert not caller.end.state.tasks
        caller.say(HELLO)
        await turns()
        assert [event["type"] for event in caller.delivered() if isinstance(event, dict)] == ["welcome", "user_joined"]
        assert not caller.end.state.tasks


async def test_what_stands_behind_the_hello_is_carried_out_after_it() -> None:
    async with called() as caller:
        caller.say(HELLO, PING, PING)
        await turns()
        types = [event["type"] for event in caller.delivered() if isinstance(event, dict)]
        assert types == ["welcome", "user_joined", "pong", "pong"]


async def test_a_bad_hello_may_be_said_again_and_the_last_is_counted_once() -> None:
    async with called() as caller:
        for _ in range(BAD_REQUESTS_IN_A_ROW):
            caller.say("{")
        await turns()
        *errors, code = caller.delivered()
        assert [error["code"] for error in errors if isinstance(error, dict)] == ["bad_request"] * BAD_REQUESTS_IN_A_ROW
        assert code == 4400
        assert caller.one.hub.stats.rejected == {"bad_request": BAD_REQUESTS_IN_A_ROW}
        caller.end.received()
        caller.end.send(masked(HELLO))
        await turns()
        assert (caller.end.received(), caller.connections) == (b"", 0)


async def test_a_hello_that_is_refused_ends_what_stands_behind_it_too() -> None:
    async with called() as caller:
        caller.say('{"type":"hello","token":"a.b.c"}', HELLO)
        await turns()
        error, code = caller.delivered()
        assert (error["code"] if isinstance(error, dict) else None, code) == ("unauthorized", 4401)
        assert caller.connections == 0
        assert caller.one.hub.stats.rejected == {"unauthorized": 1}


async def test_a_hello_that_does_not_come_in_time_is_not_waited_for() -> None:
    async with called(Settings(hello_s=0.05)) as caller:
        caller.say("{")
        await asyncio.sleep(0.1)
        bad, late, code = caller.delivered()
        assert [each["code"] for each in (bad, late) if isinstance(each, dict)] == ["bad_request", "unauthorized"]
        assert code == 4408


async def test_a_hello_in_time_is_not_overdue_later() -> None:
    async with called(Settings(hello_s=0.05)) as caller:
        caller.say(HELLO)
        await asyncio.sleep(0.1)
        assert [event["type"] for event in caller.delivered() if isinstance(event, dict)] == ["welcome", "user_joined"]


async def test_the_backplane_is_away() -> None:
    async with called() as caller:
        caller.one.link.away = True
        caller.say(HELLO)
        await turns()
        error, code = caller.delivered()
        assert (error["code"] if isinstance(error, dict) else None, code) == ("unavailable", 1013)
        assert caller.one.hub.stats.rejected == {"unavailable": 1}
        caller.one.link.away = False


async def test_who_goes_before_it_is_accepted_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with instance() as one:
        end = WireEnd(Starlette(routes=WebSocketTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        client = ClientProtocol(parse_uri("ws://127.0.0.1:8000/rooms/lobby/ws"))
        client.send_request(client.connect())
        end.send(b"".join(client.data_to_send()))
        end.transport.close()
        end.lose()
        await turns()
        assert end.received() == b""
        assert not [record for record in caplog.records if record.exc_info]
        await end.end()


async def slow_attach(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Have the next to be admitted wait until the event is set."""
    go, join = asyncio.Event(), caller.one.hub.join

    async def slowly(*args: Any) -> None:
        await join(*args)
        await go.wait()

    monkeypatch.setattr(caller.one.hub, "join", slowly)
    return go


async def test_who_goes_while_it_is_admitted_is_no_member(monkeypatch: pytest.MonkeyPatch) -> None:
    async with called() as caller:
        go = await slow_attach(caller, monkeypatch)
        caller.say(HELLO, PING)
        await turns()
        caller.end.transport.close()
        caller.end.lose()
        go.set()
        await turns()
        assert (caller.end.received(), caller.connections) == (b"", 0)
        assert caller.one.link.store.rooms.rooms == 1
        _, members = await caller.one.hub.members(caller.one.link.followed.most_common(1)[0][0])
        assert members == ()


async def test_who_reads_nothing_while_it_is_admitted_gets_all_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with called() as caller:
        go = await slow_attach(caller, monkeypatch)
        caller.say(HELLO)
        await turns()
        caller.end.protocol.pause_writing()
        go.set()
        await turns()
        assert [event["type"] for event in caller.delivered() if isinstance(event, dict)] == ["welcome"]
        caller.end.protocol.resume_writing()
        await turns()
        assert [event["type"] for event in caller.delivered() if isinstance(event, dict)] == ["user_joined"]


async def test_an_unforeseen_error_is_reported_and_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with called() as caller:

        async def broken(*args: Any) -> None:
            raise LookupError("a bug")

        monkeypatch.setattr(caller.one.hub, "join", broken)
        caller.say(HELLO)
        await turns()
        assert caller.end.transport.is_closing()
        assert "a bug" in caplog.text


def masked(text: str) -> bytes:
    """A text frame as a client sends it, whatever its parser thinks of the connection."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)
