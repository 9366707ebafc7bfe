"""Publishers that send each message until it is answered, and record every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from loadtests.load.clients.base import Access, Event
from loadtests.load.clients.publish import PublishClient
from tests.faults.peer import Peer, connect

_ANSWER_S = 40.0  # longer than a server waits to learn what became of a publish
_ATTEMPTS = 400


@dataclass(slots=True)
class Books:
    """What was published: content -> id when acknowledged; contents that were refused for good."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    retries: int = 0


class Publisher:
    """One message at a time by POST. `way(n)` gives the access of the n-th connection.

    With `insist` a refused or unanswered message is sent again under its ref; else a refusal is the end of it.
    """

    def __init__(self, name: str, way: Callable[[int], Access], books: Books, *, insist: bool = True) -> None:
        self._name = name
        self._way = way
        self._books = books
        self._insist = insist
        self._connections = 0
        self._peer: Peer | None = None
        self._answers: asyncio.Queue[Event] = asyncio.Queue()

    async def run(self, count: int, per_s: float, size: int = 0) -> None:
        """Publish `count` messages on a schedule of `per_s`, or as fast as they are answered when behind it."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(count):
            await asyncio.sleep(max(0.0, began_s + number / per_s - loop.time()))
            content = f"{self._name}-{number}"
            await self.publish(content + "." * max(0, size - len(content)))
        self.close()

    def close(self) -> None:
        if self._peer is not None:
            self._peer.abort()
            self._peer = None

    async def publish(self, content: str) -> str:
        """Publish one message; its id, or "" when it was refused or never answered."""
        ref = blake2b(content.encode(), digest_size=16).hexdigest()
        answered = False
        for _ in range(_ATTEMPTS if self._insist else 1):
            answer = await self._attempt(content, ref)
            answered = answered or answer is not None
            if answer is not None and answer.type == "ack":
                self._books.acknowledged[content] = answer.id
                return answer.id
            if self._insist:
                self._books.retries += 1
                await asyncio.sleep(0.05)
        (self._books.refused if answered else self._books.unanswered).add(content)
        return ""

    async def _attempt(self, content: str, ref: str) -> Event | None:
        if self._peer is None or self._peer.ended.is_set():
            self._answers = asyncio.Queue()
            opened = PublishClient(self._way(self._connections))
            self._connections += 1
            self._peer = await connect(opened, self._answers.put_nowait)
            if self._peer is None:
                return None
        peer, client = self._peer, self._peer.client
        assert isinstance(client, PublishClient)
        peer.send(client.publish(content, ref))
        answer = asyncio.ensure_future(self._answers.get())
        gone = asyncio.ensure_future(peer.ended.wait())
        try:
            await asyncio.wait({answer, gone}, timeout=_ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            peer.abort()
            return None
        finally:
            answer.cancel()
            gone.cancel()
