"""The lifespan: what is wrong at the start is one sentence; without it nothing is served, and that is said too."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from core.errors import Unavailable
from core.settings import SettingError, Settings
from tests.transports.access import SECRET, bearer
from transports.app import create_app
from transports.errors import deny
from transports.lifespan import LabApp, LazyApp
from transports.registry import TRANSPORTS

ROOT = Path(__file__).parents[2]
HINT = "lifespan"


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def lived(app: ASGIApp) -> list[dict[str, Any]]:
    """What an app says of a lifespan that is ended at once."""
    said: list[Any] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, Any]:
        return next(asked)

    async def send(message: Any) -> None:
        said.append(message)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return said


async def refusal_of_websocket(app: ASGIApp, path: str, *, denial: bool) -> list[dict[str, Any]]:
    """What an app answers to a handshake, at a server that can or can't send a denial response."""
    said: list[Any] = []
    extensions: dict[str, Any] = {"websocket.http.response": {}} if denial else {}
    scope = {
        "type": "websocket", "scheme": "ws", "path": path, "raw_path": path.encode(), "root_path": "", "headers": [],
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "subprotocols": [],
        "extensions": extensions,
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said


async def test_lifespan_runs_from_start_to_end() -> None:
    said = await lived(create_app("sse", Settings(secret=SECRET)))
    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_bad_setting_fails_the_start_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTLAB_RATE", "many")
    (failed,) = await lived(LazyApp(lambda: create_app("sse")))
    assert failed == {
        "type": "lifespan.startup.failed",
        "message": "RTLAB_RATE='many': a number from 0 to 1e+06 is allowed",
    }


def app_that_fails(error: Exception | None) -> LabApp:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if error is not None:
            raise error
        yield

    return LabApp(lifespan=lifespan)


async def test_setting_that_only_the_start_finds_is_the_same() -> None:
    (failed,) = await lived(app_that_fails(SettingError("not so")))
    assert failed == {"type": "lifespan.startup.failed", "message": "not so"}


async def test_fault_of_ours_fails_the_start_and_is_shown_whole() -> None:
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message)

    with pytest.raises(ZeroDivisionError):
        await app_that_fails(ZeroDivisionError("ours"))({"type": "lifespan"}, receive, send)
    (failed,) = said
    assert failed["type"] == "lifespan.startup.failed"
    assert "ZeroDivisionError: ours" in failed["message"]


def test_import_reads_no_settings_and_makes_no_key() -> None:
    code = "; ".join(f"import transports.{name}" for name in TRANSPORTS)
    environment = {"RTLAB_RATE": "many", "RTLAB_REDIS_URL": "no url"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


NEED_A_ROOM = [
    ("GET", "/rooms/lobby"),
    ("GET", "/rooms/lobby/events"),
    ("GET", "/rooms/lobby/poll"),
    ("POST", "/rooms/lobby/messages"),
    ("POST", "/rooms/lobby/leave"),
    ("POST", "/session"),
    ("GET", "/socket.io/?EIO=4&transport=polling"),
]


@pytest.mark.parametrize(("method", "path"), NEED_A_ROOM)
async def test_without_a_lifespan_what_needs_a_room_is_refused(method: str, path: str) -> None:
    # A stream that were served would have no end.
    async with client(create_app("all", Settings(secret=SECRET))) as http, asyncio.timeout(5.0):
        answer = await http.request(
            method, path, headers=bearer(), json={"content": "lost?"} if method == "POST" else None
        )
    assert answer.status_code == 503
    refusal = answer.json()
    assert (refusal["type"], refusal["code"]) == ("error", "unavailable")
    assert HINT in refusal["message"]


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_without_a_lifespan_health_says_so(name: str) -> None:
    async with client(create_app(name, Settings(secret=SECRET))) as http:
        health, metrics = await http.get("/health"), await http.get("/metrics")
    assert health.status_code == 503
    assert (health.json()["status"], health.json()["reason"]) == ("unavailable", HINT)
    assert metrics.status_code == 200


@pytest.mark.parametrize("path", ["/rooms/lobby/ws", "/socket.io/"])
async def test_without_a_lifespan_a_websocket_is_denied_with_the_status(path: str) -> None:
    said = await refusal_of_websocket(create_app("all", Settings(secret=SECRET)), path, denial=True)
    assert (said[0]["type"], said[0]["status"]) == ("websocket.http.response.start", 503)
    assert HINT in said[1]["body"].decode()


@pytest.mark.parametrize("path", ["/rooms/lobby/ws", "/socket.io/"])
async def test_where_a_server_can_send_no_denial_the_close_says_why(path: str) -> None:
    said = await refusal_of_websocket(create_app("all", Settings(secret=SECRET)), path, denial=False)
    assert [message["type"] for message in said] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert json.loads(said[1]["text"])["code"] == "unavailable"
    assert said[2]["code"] == 1013
    assert HINT in said[2]["reason"]


async def test_server_that_sends_no_such_code_closes_with_its_own() -> None:
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message.get("code") == 1013:
            raise Exception("invalid close code")
        said.append(message)

    await deny(WebSocket({"type": "websocket"}, receive, send), Unavailable("not now"))
    assert [message["type"] for message in said] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert said[2]["code"] == 1000


async def test_bad_setting_without_a_lifespan_is_logged_once_and_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RTLAB_RATE", "many")
    app = LazyApp(lambda: create_app("all"))
    async with client(app) as http:
        answers = [await http.get(path) for path in ("/health", "/rooms/lobby")]
    said = await refusal_of_websocket(app, "/rooms/lobby/ws", denial=True)
    assert [answer.status_code for answer in answers] + [said[0]["status"]] == [503] * 3
    assert [record.message for record in caplog.records] == ["RTLAB_RATE='many': a number from 0 to 1e+06 is allowed"]


async def test_health_after_the_lifespan_is_that_of_a_server_that_drains() -> None:
    app = create_app("sse", Settings(secret=SECRET))
    async with app.router.lifespan_context(app), client(app) as http:
        assert (await http.get("/health")).json()["status"] == "ok"
    async with client(app) as http:
        assert (await http.get("/health")).json()["status"] == "draining"


async def test_mounted_the_outer_app_that_enters_the_lifespan_serves() -> None:
    rooms = create_app("all", Settings(secret=SECRET))
    outer = Starlette(routes=[Mount("/lab", rooms)])
    async with client(outer) as http:
        assert (await http.get("/lab/health")).json()["reason"] == HINT
        async with rooms.router.lifespan_context(outer):  # whichever app is given
            health = await http.get("/lab/health")
            posted = await http.post("/lab/rooms/lobby/messages", headers=bearer(), json={"content": "hi"})
            page = await http.get("/lab/")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert posted.status_code == 202
    assert page.status_code == 200
