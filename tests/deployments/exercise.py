"""What every deployment must do on every transport: deliver at once and in order, send heartbeats, resume, drain."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from tests.contracts.kit.clients import (
    LongPollClient,
    RefusedError,
    RoomClient,
    SocketIoClient,
    SseClient,
    WebSocketClient,
    ending,
)
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.clients.poll import Answer
from tests.contracts.kit.events import Event
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tls import tls_for
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import unique
from tests.deployments.servers import HEARTBEAT_S

TRANSPORTS: Final = ("websocket", "sse", "longpoll", "socketio")
MESSAGES: Final = 20
PROMPT: Final = MESSAGES // 4
"""At least so many are delivered before any heartbeat. If only heartbeats flush, none is."""
SILENT_S: Final = 3 * HEARTBEAT_S
LIFETIME_S: Final = 3.0


class _Counted(ClientConnection):
    """Counts what arrives as a heartbeat: a ping, or Engine.IO's."""

    pings = 0
    engine_pings = 0

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame):
            self.pings += event.opcode is Opcode.PING
            self.engine_pings += event.opcode is Opcode.TEXT and bytes(event.data) == b"2"
        super().process_event(event)


class _WebSocket(WebSocketClient):
    async def open(self, **options: Any) -> None:
        await super().open(**_options(self.base_url), **options)


class _Poll(LongPollClient):
    """Counts the polls that were held to their end."""

    wait_s = 1
    empty_polls = 0

    async def poll(self, since: object = None, wait_s: int | None = None) -> Answer:
        answer = await super().poll(since, wait_s)
        self.empty_polls += not answer.events
        return answer


class _SocketIo(SocketIoClient):
    async def open(self, **options: Any) -> dict[str, Any]:
        return await super().open(**_options(self.base_url), **options)


def _options(base_url: str) -> dict[str, Any]:
    # A context of its own: httpx lets the shared one offer HTTP/2, which Hypercorn and Granian then speak.
    tls = None if tls_for(base_url) is None else http1_only()
    return {"create_connection": _Counted, "ping_interval": None, "ssl": tls}


@cache
def http1_only() -> ssl.SSLContext:
    """What clients connect by that are to speak HTTP/1.1, also where the server knows HTTP/2."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _client(base_url: str, transport: str, room: str, lifetime_s: float) -> RoomClient:
    user = unique("user")
    token = sign(user, lifetime_s=lifetime_s)
    if transport == "websocket":
        return _WebSocket(base_url, room, user, token)
    if transport == "socketio":
        return _SocketIo(base_url, room, user, token)
    kind = {"sse": SseClient, "longpoll": _Poll}[transport]
    return kind(base_url, room, user, token, http_client(base_url, token, http2=False, verify=http1_only()))


@asynccontextmanager
async def member(
    base_url: str, transport: str, room: str, since: object = None, lifetime_s: float = 600
) -> AsyncIterator[RoomClient]:
    """Somebody in a room, connected; `since` has to be honoured. `lifetime_s`: of the token."""
    client = _client(base_url, transport, room, lifetime_s)
    try:
        joined = await client.connect(since)
        assert joined.recovered is (since is not None), f"{transport}: {joined}"
        yield client
    finally:
        await client.close()


async def received_at_once(base_url: str, transport: str, listeners: int = 1) -> None:
    """Twenty messages, each delivered to everybody before the next is published."""
    room = unique("room")
    async with AsyncExitStack() as stack:
        hearers = [await stack.enter_async_context(member(base_url, transport, room)) for _ in range(listeners)]
        speaker = await stack.enter_async_context(member(base_url, transport, room))
        prompt = [0] * listeners
        for number in range(MESSAGES):
            before = [_late_of(each) for each in hearers]
            receiving = [asyncio.ensure_future(each.next_chat()) for each in hearers]
            await speaker.publish(f"message {number}")
            for event in await asyncio.gather(*receiving):
                assert event.text("content") == f"message {number}", transport
            late = [_late_of(each) for each in hearers]
            prompt = [count + (then == now) for count, then, now in zip(prompt, before, late, strict=True)]
        assert min(prompt) >= PROMPT, f"{transport}: of {MESSAGES} came before a heartbeat: {prompt}"


async def beats(base_url: str, transport: str, within_s: float = EVENT_S) -> bool:
    """Whether a silent connection shows a sign of life."""
    async with member(base_url, transport, unique("room")) as client:
        if isinstance(client, LongPollClient):
            await client.next_event()  # its own join
            answer = await client.poll(client.position, 1)
            return not answer.events and answer.position == client.position  # a poll's own return
        reading = asyncio.ensure_future(_read_on(client))
        try:
            async with asyncio.timeout(within_s):
                while not _beats_of(client):  # noqa: ASYNC110  counted by the client's library
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        return True


async def resumes(base_url: str, transport: str) -> None:
    """What was published between two connections is delivered to the second."""
    room = unique("room")
    async with member(base_url, transport, room) as speaker:
        async with member(base_url, transport, room) as first:
            await speaker.publish("delivered")
            assert (await first.next_chat()).text("content") == "delivered"
            position = first.position
        await speaker.publish("missed")
        async with member(base_url, transport, room, since=position) as second:
            assert (await second.next_chat()).text("content") == "missed", transport


async def closed_at_expiry(base_url: str) -> str:
    """How the server ends a silent WebSocket whose token expires."""
    async with member(base_url, "websocket", unique("room"), lifetime_s=LIFETIME_S) as client, asyncio.timeout(EVENT_S):
        return await _end_of(client)


@asynccontextmanager
async def end_at_drain(base_url: str, transport: str, told: asyncio.Event) -> AsyncIterator[list[str]]:
    """A member while a server is ended; sets `told` when its stream ends. The list holds afterwards how it ended."""
    ends: list[str] = []
    async with member(base_url, transport, unique("room")) as client:
        if isinstance(client, LongPollClient):
            await client.next_event()
        ended = asyncio.ensure_future(_end_of(client))
        if isinstance(client, LongPollClient):
            await _held(base_url)
        ended.add_done_callback(lambda _: told.set())
        yield ends
        async with asyncio.timeout(EVENT_S):
            ends.append(await ended)


async def is_listening(base_url: str) -> bool:
    """Whether a connection is accepted."""
    where = urlsplit(base_url)
    try:
        _, writer = await asyncio.open_connection(where.hostname, where.port)
    except (ConnectionRefusedError, ConnectionResetError):  # the second: it stood in the queue of who stopped listening
        return False
    writer.transport.abort()
    return True


async def _held(base_url: str) -> None:
    """Wait until a poll is held, at whichever worker."""
    async with asyncio.timeout(EVENT_S):
        held = False
        while not held:
            async with http_client(base_url, http2=False, verify=http1_only()) as http:
                held = 'rtlab_connections{transport="longpoll"} 1.0' in (await http.get("/metrics")).text


async def _end_of(client: RoomClient) -> str:
    if isinstance(client, LongPollClient):
        try:
            answer: Answer = await client.poll(client.position, 25)
        except RefusedError as refusal:
            return refusal.code
        return "answered" if not answer.events else f"{answer}"
    end = await ending(client)
    if isinstance(client, SseClient):
        # The first hint came with the welcome.
        return "ended with a hint" if len(client.retries_ms) == 2 else f"ended after {client.retries_ms}"
    if isinstance(client, SocketIoClient):
        return "closed, may come back" if not client.disconnected else "refused for good"
    return f"closed with {end.close_code}"


async def _read_on(client: RoomClient) -> None:
    while True:
        _: Event = await client.next_event()


def _late_of(client: RoomClient) -> int:
    """What counts up when something else than a message lets one through: heartbeats, polls that came back empty."""
    return client.empty_polls if isinstance(client, _Poll) else _beats_of(client)


def _beats_of(client: RoomClient) -> int:
    if isinstance(client, SseClient):
        return client.beats
    assert isinstance(client, WebSocketClient | SocketIoClient)
    socket = client.socket
    assert isinstance(socket, _Counted)
    return socket.pings if isinstance(client, WebSocketClient) else socket.engine_pings
