"""Guarantee 7: a server that dies takes nothing acknowledged with it where it has Redis; else old positions say so."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.contracts.kit.clients import Joined
from tests.contracts.kit.pool import ServerPool, Variant
from tests.contracts.targets import TRANSPORTS, Connect


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_acknowledged_outlives_a_server_that_has_redis(
    servers: ServerPool, variant: Variant, connect: Connect, end: signal.Signals
) -> None:
    server = servers.own("all")
    alice = await connect("alice", transport="websocket", server=server)
    since = alice.position
    assert since is not None
    await alice.publish("acknowledged")
    server.process.send_signal(end)
    await asyncio.to_thread(server.wait)
    await asyncio.to_thread(server.start)
    for name in TRANSPORTS:
        again = await connect(f"by-{name}", transport=name, server=server, join=False)
        joined = await again.connect(since)
        if variant.backplane == "redis":
            assert joined == Joined(since, True, None)
            assert await again.contents_until("acknowledged") == ["acknowledged"]
        else:
            assert (joined.recovered, joined.resync_reason) == (False, "epoch_changed")
