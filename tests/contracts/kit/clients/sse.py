"""The room over Server-Sent Events: `httpx` and the kit's own event-stream parser."""

from __future__ import annotations

from collections import deque
from typing import Literal

import httpx

from tests.contracts.kit.clients.base import Joined
from tests.contracts.kit.clients.stream import StreamClient
from tests.contracts.kit.events import ROOM_EVENTS, ContractViolationError, Event
from tests.contracts.kit.eventstream import Block, EventStreamParser

ResumeBy = Literal["header", "query"]


class SseClient(StreamClient):
    """`retries_ms` collects what EventSource would act on silently; comments are the signs of life."""

    path = "events"
    media_type = "text/event-stream"
    resume_by: ResumeBy = "header"

    def __init__(
        self, base_url: str, room: str, user_id: str, token: str, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(base_url, room, user_id, token, http)
        self.retries_ms: list[int] = []
        self._parser = EventStreamParser()
        self._blocks: deque[Block] = deque()

    async def connect(self, since: object = None) -> Joined:
        if since is None or self.resume_by == "query":
            return await super().connect(since)
        return await self.stream({}, {"Last-Event-ID": str(since)}, since)

    async def _step(self) -> Event | None:
        while not self._blocks:
            self._blocks.extend(self._parser.feed(await self._read()))
        block = self._blocks.popleft()
        self.beats += len(block.comments)
        if block.retry_ms is not None:
            self.retries_ms.append(block.retry_ms)
        return None if block.data is None else self._event(block, block.data)

    def _event(self, block: Block, data: str) -> Event:
        event = self._decode(data)
        if block.event != "message":
            raise ContractViolationError(f"an event name other than the default: {block}")
        if event.type in ROOM_EVENTS and block.id != str(event.id):
            raise ContractViolationError(f"id: {block.id!r} on {event}")
        if event.type == "welcome" and (block.id != event.fields["position"] or not self.retries_ms):
            raise ContractViolationError(f"the welcome came without its id or a retry: {block}")
        return event
