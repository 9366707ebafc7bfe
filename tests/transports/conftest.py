"""Apps without a server, and hubs on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
import uvloop

from core.settings import Settings
from tests.transports.access import SECRET
from tests.transports.ends import Ends
from tests.transports.served import Run
from transports.app import create_app

Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def open_app() -> Open:
    """Run a transport's app in this process; gives a client that speaks ASGI to it."""

    @asynccontextmanager
    async def opened(
        name: str = "longpoll", settings: Settings | None = None, base_url: str = "http://localhost:8000"
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(name, settings or Settings(secret=SECRET))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=base_url) as client,
        ):
            yield client

    return opened


@pytest.fixture
def ends() -> Iterator[Callable[[int], Ends]]:
    """Make pairs of sockets, which are closed at the end."""
    made: list[Ends] = []

    def make(size: int) -> Ends:
        made.append(Ends(size))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    made: Run = request.param
    return made
