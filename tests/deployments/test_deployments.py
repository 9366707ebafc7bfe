"""Every way to deploy works, or is refused in one sentence. `--deployments full` runs the whole matrix."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tls import TLS
from tests.contracts.kit.tokens import sign
from tests.deployments.conftest import Deploy
from tests.deployments.edges import missed_edges
from tests.deployments.exercise import (
    SILENT_S,
    beats,
    closed_at_expiry,
    end_at_drain,
    http1_only,
    is_listening,
    received_at_once,
    resumes,
)
from tests.deployments.matrix import (
    DRAIN,
    KEEP_LISTENING,
    MISSED_EDGES,
    NO_PINGS,
    STOP_LISTENING_SOON,
    UNSEEN_SOCKET,
    Cell,
    Refusal,
)
from tests.deployments.process import Deployed
from tests.deployments.servers import Server

SOON_S = 0.5  # clients come back after that at the earliest
LISTENERS_OF_WORKERS = 6  # of which each is at either worker: with the speaker they are at one in 1 of 64 rooms


async def check(deployed: Deployed, name: str, transports: tuple[str, ...], listeners: int) -> None:
    """All that a server has to do but its end, on all its transports at once; who has no right any more is told so."""

    async def one(transport: str) -> None:
        await received_at_once(deployed.base_url, transport, listeners)
        if (name, transport) in NO_PINGS:
            assert not await beats(deployed.base_url, transport, SILENT_S), f"{transport} is pinged now: mend NO_PINGS"
        else:
            assert await beats(deployed.base_url, transport), transport
        await resumes(deployed.base_url, transport)

    async def expiry() -> None:
        assert "websocket" not in transports or await closed_at_expiry(deployed.base_url) == "closed with 4401"

    await asyncio.gather(*map(one, transports), expiry())


async def check_drain(deployed: Deployed, name: str, transports: tuple[str, ...]) -> None:
    """SIGTERM to the process that a supervisor would end: it stops listening, notifies members and exits cleanly."""
    told = asyncio.Event()
    async with AsyncExitStack() as stack:
        ended = {
            transport: await stack.enter_async_context(end_at_drain(deployed.base_url, transport, told))
            for transport in transports
        }
        deployed.process.terminate()
        async with asyncio.timeout(EVENT_S):
            await told.wait()
        listening = await is_listening(deployed.base_url)
        if name in STOP_LISTENING_SOON:
            async with asyncio.timeout(SOON_S):
                while listening:
                    listening = await is_listening(deployed.base_url)
    assert name in UNSEEN_SOCKET or listening is (name in KEEP_LISTENING)
    assert ended == {transport: [DRAIN[transport]] for transport in transports}
    assert await deployed.exit_code() == 0
    assert "Traceback" not in deployed.log(), deployed.log()


async def check_refuses_all(deployed: Deployed) -> None:
    """Without a lifespan: a sentence to every request."""
    health = await deployed.answers(503)
    assert health.json()["reason"] == "lifespan"
    authorized = {"Authorization": f"Bearer {sign('alice')}"}
    async with httpx.AsyncClient(base_url=deployed.base_url, verify=TLS, trust_env=False, headers=authorized) as http:
        for method, path in (("GET", "/events"), ("GET", "/poll"), ("POST", "/messages")):
            body = {"content": "lost?"} if method == "POST" else None
            answer = await http.request(method, f"/rooms/lobby{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
    for path in ("/rooms/lobby/ws", "/socket.io/?EIO=4&transport=websocket"):
        status, said = await refusal_of_websocket(deployed, path)
        assert status in (503, 1013, 1000), path
        assert "lifespan" in said, path
    assert "Traceback" not in deployed.log(), deployed.log()


async def refusal_of_websocket(deployed: Deployed, path: str) -> tuple[int, str]:
    """The status of a handshake, or the close code where a server can only send 403; and the error event."""
    tls = http1_only() if deployed.base_url.startswith("https") else None
    said = ""
    try:
        async with connect(deployed.base_url.replace("http", "ws", 1) + path, proxy=None, ssl=tls) as socket:
            async for frame in socket:
                said += str(frame)
            return socket.close_code or 1006, said
    except InvalidStatus as denied:
        return denied.response.status_code, bytes(denied.response.body or b"").decode()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else 1006, said


async def test_deployment_works_or_is_refused(deploy: Deploy, cell: Cell, request: pytest.FixtureRequest) -> None:
    server = cell.server
    settings = {"RTLAB_FANOUT": cell.sink}
    if server.workers > 1:
        settings["RTLAB_REDIS_URL"] = request.getfixturevalue("redis_url")
    deployed = await deploy(server, app=cell.app, tls=cell.tls, loop=cell.loop, settings=settings)
    if not cell.serves:
        await check_refuses_all(deployed)
        return
    health = await deployed.answers(200)
    await deployed.all_answer(server.workers)
    assert health.json()["sink"] == ("portable" if cell.app == "socketio" else cell.sink)
    listeners = LISTENERS_OF_WORKERS if server.workers > 1 else 1
    await check(deployed, server.name, cell.transports, listeners)
    await check_drain(deployed, server.name, cell.transports)


async def test_edges_of_http(deploy: Deploy, edged: Server) -> None:
    deployed = await deploy(edged)
    await deployed.answers(200)
    assert await missed_edges(deployed.base_url) == MISSED_EDGES.get(edged.name, set())
    assert "Traceback" not in deployed.log(), deployed.log()


async def test_start_is_refused_in_one_sentence(deploy: Deploy, refusal: Refusal) -> None:
    server = Server(refusal.name, "", refusal.command, refusal.module, environment=refusal.environment)
    deployed = await deploy(server)
    if refusal.later:
        await deployed.answers(200)
        deployed.process.send_signal(signal.SIGTTIN)
    assert await deployed.exit_code() == refusal.exit_code
    assert refusal.sentence in deployed.log()
    assert "Traceback" not in deployed.log(), deployed.log()


async def test_workers_share_rooms_in_redis(deploy: Deploy, with_redis: Server, redis_url: str) -> None:
    deployed = await deploy(with_redis, settings={"RTLAB_REDIS_URL": redis_url})
    await deployed.answers(200)
    await deployed.all_answer(with_redis.workers)
    await received_at_once(deployed.base_url, "sse", LISTENERS_OF_WORKERS)
    await check_drain(deployed, with_redis.name, ("sse",))


async def test_one_worker_starts(deploy: Deploy, one_worker: Server) -> None:
    deployed = await deploy(one_worker)
    await deployed.answers(200)
    await received_at_once(deployed.base_url, "sse")


async def test_without_a_lifespan_all_is_refused(deploy: Deploy, without_lifespan: Server) -> None:
    await check_refuses_all(await deploy(without_lifespan))
