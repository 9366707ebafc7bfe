"""The room over Server-Sent Events: `httpx` and the kit's own event-stream parser."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal

import httpx

from tests.contracts.kit.clients.base import DisconnectedError, Joined, RefusedError
from tests.contracts.kit.clients.http import HttpRoomClient, refusal
from tests.contracts.kit.events import ROOM_EVENTS, ContractViolationError, Event, Position
from tests.contracts.kit.eventstream import Block, EventStreamParser
from tests.contracts.kit.limits import EVENT_S

ResumeBy = Literal["header", "query"]


class SseClient(HttpRoomClient):
    """`retries_ms` and `comments` collect what EventSource would act on silently."""

    resume_by: ResumeBy = "header"

    def __init__(
        self, base_url: str, room: str, user_id: str, token: str, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(base_url, room, user_id, token, http)
        self.response: httpx.Response | None = None
        self.retries_ms: list[int] = []
        self.comments: list[str] = []
        self._chunks: AsyncIterator[bytes] | None = None
        self._parser = EventStreamParser()
        self._blocks: deque[Block] = deque()

    async def connect(self, since: object = None) -> Joined:
        params: dict[str, str] = {}
        headers = {"Accept": "text/event-stream"}
        if since is not None and self.resume_by == "query":
            params["since"] = str(since)
        elif since is not None:
            headers["Last-Event-ID"] = str(since)
        return await self.stream(params, headers, since)

    async def stream(self, params: dict[str, str], headers: dict[str, str], since: object) -> Joined:
        """Open the stream with exactly these parameters; `since` is the position that ought to count."""
        request = self.http.build_request(
            "GET",
            f"/rooms/{self.room}/events",
            params=params,
            headers=headers,
            timeout=httpx.Timeout(EVENT_S, read=None),
        )
        async with asyncio.timeout(EVENT_S):
            self.response = await self.http.send(request, stream=True)
        if self.response.status_code != httpx.codes.OK:
            await self.response.aread()
            raise refusal(self.response)
        if self.response.headers["content-type"].partition(";")[0] != "text/event-stream":
            raise ContractViolationError(f"an event stream with {self.response.headers}")
        self._chunks = self.response.aiter_bytes()
        return await self._welcomed(since)

    async def _welcomed(self, since: object) -> Joined:
        block = await self.next_block(EVENT_S)
        welcome = self._decode(block.data or "")
        if welcome.type != "welcome" or welcome.fields["userId"] != self.user_id:
            raise ContractViolationError(f"expected the welcome of {self.user_id}, got {welcome}")
        if block.id != welcome.fields["position"] or not self.retries_ms:
            raise ContractViolationError(f"the welcome came without its id or a retry: {block}")
        recovered = welcome.fields["recovered"] is True
        self._start_from(Position.parse(welcome.fields["position"]), since, recovered)
        assert self.position is not None
        if since is None or recovered:
            return Joined(self.position, recovered, None)
        resync = await self.next_event()
        if resync.type != "resync" or resync.fields["position"] != welcome.fields["position"]:
            raise ContractViolationError(f"expected a resync to {welcome.fields['position']}, got {resync}")
        return Joined(self.position, False, resync.text("reason"))

    async def next_block(self, timeout_s: float) -> Block:
        """The next block that carries data. Raises DisconnectedError at the end of the stream."""
        async with asyncio.timeout(timeout_s):
            while True:
                block = await self.next_raw_block()
                if block.data is not None:
                    return block

    async def next_raw_block(self) -> Block:
        """The next block of any kind, comments and retries included; no time limit of its own."""
        assert self._chunks is not None, "not connected"
        while not self._blocks:
            try:
                self._blocks.extend(self._parser.feed(await anext(self._chunks)))
            except (StopAsyncIteration, httpx.TransportError) as error:
                raise DisconnectedError from error
        block = self._blocks.popleft()
        self.comments += block.comments
        if block.retry_ms is not None:
            self.retries_ms.append(block.retry_ms)
        return block

    async def disconnect(self) -> None:
        """Drop the stream, keep the HTTP client."""
        if self.response is not None:
            await self.response.aclose()

    async def close(self) -> None:
        await self.disconnect()
        await super().close()

    async def _receive(self, timeout_s: float) -> Event:
        block = await self.next_block(timeout_s)
        event = self._decode(block.data or "")
        if block.event != "message":
            raise ContractViolationError(f"an event name other than the default: {block}")
        if event.type in ROOM_EVENTS and block.id != str(event.id):
            raise ContractViolationError(f"id: {block.id!r} on {event}")
        if event.type == "error":
            raise RefusedError(event)
        return event
