"""The room over one response that does not end: what the HTTP streams share."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import ClassVar

import httpx

from tests.contracts.kit.clients.base import DisconnectedError, Joined, RefusedError
from tests.contracts.kit.clients.http import HttpRoomClient, refusal
from tests.contracts.kit.events import ContractViolationError, Event
from tests.contracts.kit.limits import EVENT_S


class StreamClient(HttpRoomClient):
    """`beats` counts the signs of life of a stream without events."""

    path: ClassVar[str]  # below the room
    media_type: ClassVar[str]

    def __init__(
        self, base_url: str, room: str, user_id: str, token: str, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(base_url, room, user_id, token, http)
        self.response: httpx.Response | None = None
        self.beats = 0
        self._chunks: AsyncIterator[bytes] | None = None

    async def connect(self, since: object = None) -> Joined:
        return await self.stream({} if since is None else {"since": str(since)}, {}, since)

    async def stream(self, params: dict[str, str], headers: dict[str, str], since: object) -> Joined:
        """Open the stream with exactly these parameters; `since` is the position that ought to count."""
        request = self.http.build_request(
            "GET",
            f"/rooms/{self.room}/{self.path}",
            params=params,
            headers={"Accept": self.media_type} | headers,
            timeout=httpx.Timeout(EVENT_S, read=None),
        )
        async with asyncio.timeout(EVENT_S):
            self.response = await self.http.send(request, stream=True)
        if self.response.status_code != httpx.codes.OK:
            await self.response.aread()
            raise refusal(self.response)
        if self.response.headers["content-type"].partition(";")[0] != self.media_type:
            raise ContractViolationError(f"a stream with {self.response.headers}")
        self._chunks = self.response.aiter_bytes()
        return await self._take_welcome(await self._next(EVENT_S), since)

    async def live(self, beats: int) -> None:
        """Read on until the stream has shown so many signs of life. Raises TimeoutError, DisconnectedError."""
        async with asyncio.timeout(EVENT_S):
            while self.beats < beats:
                await self._step()

    async def disconnect(self) -> None:
        """Drop the stream, keep the HTTP client."""
        if self.response is not None:
            await self.response.aclose()

    async def close(self) -> None:
        await self.disconnect()
        await super().close()

    @abstractmethod
    async def _step(self) -> Event | None:
        """Take the next thing off the stream, and return its event if it has one."""

    async def _read(self) -> bytes:
        assert self._chunks is not None, "not connected"
        try:
            return await anext(self._chunks)
        except (StopAsyncIteration, httpx.TransportError) as error:
            raise DisconnectedError from error

    async def _next(self, timeout_s: float) -> Event:
        async with asyncio.timeout(timeout_s):
            while (event := await self._step()) is None:
                pass
        return event

    async def _receive(self, timeout_s: float) -> Event:
        event = await self._next(timeout_s)
        if event.type == "error":
            raise RefusedError(event)
        return event
