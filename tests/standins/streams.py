"""A server with the habits that adapters have a key for."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

_subscribers: defaultdict[str, list[asyncio.Queue[str]]] = defaultdict(list)


async def habits(request: Request) -> Response:
    """GET reads a room in the way that the path names, POST publishes a text there, as text/plain only.

    `late` sends its head with the first event, `encoded` its events in base64, `again` answers each poll with all there
    is, `silent` never says anything.
    """
    way, room = request.path_params["way"], request.path_params["room"]
    if way not in ("late", "encoded", "again", "silent"):
        return PlainTextResponse("Method Not Allowed", 405)
    if request.method == "POST":
        if not request.headers.get("content-type", "").startswith("text/plain"):
            return PlainTextResponse("Unsupported Media Type", 415)
        text = (await request.body()).decode()
        _published[room] = text
        for each in _subscribers[room]:
            each.put_nowait(f"data: {base64.b64encode(text.encode()).decode() if way == 'encoded' else text}\n\n")
        return PlainTextResponse("taken")
    queue: asyncio.Queue[str] = asyncio.Queue()
    _subscribers[room].append(queue)
    if way == "again":
        return PlainTextResponse(_published.get(room) or await queue.get())
    first = "" if way == "encoded" else await queue.get() if way == "late" else await asyncio.Event().wait() and ""
    return StreamingResponse(_going_on(first, queue), media_type="text/event-stream")


async def _going_on(first: str, queue: asyncio.Queue[str]) -> AsyncIterator[str]:
    yield first
    while True:
        yield await queue.get()


_published: dict[str, str] = {}
