"""A connection that has ended is freed at once: a server seldom lets the garbage collector look."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest

from tests.transports.served import Client, Run, serving, until

Does = Callable[[Client], Awaitable[None]]


async def posts(client: Client) -> None:
    await client.ask(client.post("1"))


async def polls(client: Client) -> None:
    await client.ask(client.poll("wait=25"))


async def waits(client: Client) -> None:
    await client.begin()


async def waits_by_the_app(client: Client) -> None:
    await client.ask(client.poll("wait=25"))
    await client.wait(client.poll("wait=25&since={}", "X-Other: 1"))


async def is_answered(client: Client) -> None:
    await client.begin()
    await client.server.say("1")
    await client.answer()


@pytest.mark.parametrize("fanout", ["portable", "direct"])
@pytest.mark.parametrize("does", [posts, polls, waits, waits_by_the_app, is_answered])
def test_a_lost_connection_is_freed_without_a_garbage_collection(run: Run, fanout: str, does: Does) -> None:
    async def main() -> None:
        async with serving(fanout=fanout) as server:
            client = await server.client()
            await does(client)
            (protocol,) = server.protocols
            before = weakref.ref(protocol)
            del protocol
            await asyncio.sleep(0.02)  # what it was asked for last has ended
            gc.collect()  # of what came before
            gc.disable()
            try:
                await client.close()
                await until(lambda: before() is None)
            finally:
                gc.enable()

    run(main())
