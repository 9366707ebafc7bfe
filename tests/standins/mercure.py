"""A Mercure hub, by draft-dunglas-mercure-08 ("The Mercure Protocol"), and by what came before it where that differs.

As hubs in compatibility mode it takes both: `match` of the draft, and `topic` of the hubs before 1.0.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

PATH = "/.well-known/mercure"
TOKEN = "a.jwt.token"  # a hub would look into it
_FORM = "application/x-www-form-urlencoded"
_EARLIEST = "earliest"


class Update(NamedTuple):
    """One update, whose id is a cursor into the hub's one sequence."""

    id: str
    topics: tuple[str, ...]
    data: str

    @property
    def event(self) -> str:
        """The event of a stream, a line of data each."""
        data = "".join(f"data: {line}\n" for line in self.data.splitlines() or [""])
        return f"id: {self.id}\n{data}\n"


_history: list[Update] = []
_subscribers: dict[asyncio.Queue[Update], frozenset[str]] = {}


async def hub(request: Request) -> Response:
    """GET subscribes to the topics of the query; POST publishes a form's data, and is answered with the update's id."""
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return PlainTextResponse("Unauthorized", 401, {"WWW-Authenticate": "Bearer"})
    return _subscribe(request) if request.method == "GET" else await _publish(request)


def _subscribe(request: Request) -> Response:
    asked = request.query_params
    known = {"match", "match_exact", "match_urlpattern"}
    if wrong := [name for name in asked if name.lower().startswith("match") and name not in known]:
        return PlainTextResponse(f"unknown topic matcher query parameter: {wrong[0]}", 400)
    topics = frozenset(topic for name in ("match", "match_exact", "topic") for topic in asked.getlist(name))
    if not topics:
        return PlainTextResponse('missing "match" subscription parameter', 400)
    queue: asyncio.Queue[Update] = asyncio.Queue()
    headers = {}
    if since := request.headers.get("last-event-id") or asked.get("last_event_id"):
        place = next((place for place, update in enumerate(_history) if update.id == since), None)
        name = "Last-Event-ID" if "topic" in asked else "Mercure-Last-Event-ID"
        headers[name] = _EARLIEST if place is None else since
        for update in _history[0 if place is None else place + 1 :]:
            if topics.intersection(update.topics):
                queue.put_nowait(update)
    _subscribers[queue] = topics
    return StreamingResponse(_events(queue), media_type="text/event-stream", headers=headers)


async def _publish(request: Request) -> Response:
    typed = request.headers.get("content-type", "").partition(";")[0] == _FORM
    form = parse_qs((await request.body()).decode(), keep_blank_values=True) if typed else {}
    topics = tuple(form.get("topic", ()))
    if not topics:
        return PlainTextResponse('Missing "topic" parameter', 400)
    if any(topic == "*" or topic.startswith(PATH) for topic in topics):
        return PlainTextResponse("reserved topic", 400)
    update = Update(f"urn:uuid:{uuid.uuid4()}", topics, form.get("data", [""])[0])
    _history.append(update)
    for queue, wanted in _subscribers.items():
        if wanted.intersection(topics):
            queue.put_nowait(update)
    return PlainTextResponse(update.id)


async def _events(queue: asyncio.Queue[Update]) -> AsyncIterator[str]:
    try:
        yield ":\n"
        while True:
            yield (await queue.get()).event
    finally:
        del _subscribers[queue]
