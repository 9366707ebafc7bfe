"""The room over an endless NDJSON response: `httpx`, and lines."""

from __future__ import annotations

from collections import deque

import httpx

from tests.contracts.kit.clients.stream import StreamClient
from tests.contracts.kit.events import Event


class NdjsonClient(StreamClient):
    """Empty lines are the signs of life."""

    path = "stream"
    media_type = "application/x-ndjson"

    def __init__(
        self, base_url: str, room: str, user_id: str, token: str, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(base_url, room, user_id, token, http)
        self._text = b""
        self._lines: deque[bytes] = deque()

    async def _step(self) -> Event | None:
        while not self._lines:
            *lines, self._text = (self._text + await self._read()).split(b"\n")
            self._lines.extend(lines)
        line = self._lines.popleft()
        self.beats += not line
        return self._decode(line) if line else None
