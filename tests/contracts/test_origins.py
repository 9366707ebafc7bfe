"""Which pages may speak to a server: Origin on every stream, poll, POST and upgrade."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.contracts.kit.clients import PushClient, RefusedError, WebSocketClient
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import HTTP_TARGETS, TARGETS, Target, downstream, make_client, unique


@dataclass(frozen=True, slots=True)
class Way:
    """One request that the rule is about."""

    target: Target
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.target} {self.method} {self.path.rpartition('/')[2]}"


def _ways() -> list[Way]:
    ways = []
    for target in TARGETS:
        ways.append(Way(target, "GET", downstream(target.transport)))
        if target in HTTP_TARGETS and (target.server != "all" or target.transport == "sse"):
            ways += [Way(target, "POST", f"/rooms/{{room}}/{last}") for last in ("messages", "leave")]
            ways.append(Way(target, "POST", "/session"))
    return ways


every_way = pytest.mark.parametrize("way", _ways(), ids=str)


async def status_of(server: ServerProcess, way: Way, headers: dict[str, str]) -> int:
    """The status this request gets; 101 for an upgrade that was granted."""
    room, user = unique("room"), unique("alice")
    if way.path.endswith("/ws"):
        return await _upgrade_status(server, room, user, headers)
    if way.path.endswith("/push"):
        return await _push_status(server, room, user, headers)
    bodies: dict[str, dict[str, str]] = {"messages": {"content": "x"}, "session": {"token": sign(user)}}
    async with http_client(server.base_url, sign(user), headers=headers) as http:
        body = bodies.get(way.path.rpartition("/")[2])
        request = http.build_request(way.method, way.path.format(room=room), json=body)
        response = await http.send(request, stream=True)
        try:
            if response.status_code == httpx.codes.FORBIDDEN:
                await response.aread()
                assert refusal(response).code == "forbidden"
            return response.status_code
        finally:
            await response.aclose()


async def _upgrade_status(server: ServerProcess, room: str, user: str, headers: dict[str, str]) -> int:
    client = make_client(server, "websocket", room, user)
    assert isinstance(client, WebSocketClient)
    # `websockets` writes its own Host; the header of the test must be the only one.
    wanted = {name: value for name, value in headers.items() if name != "Host"}
    if "Host" in headers:
        host, _, port = headers["Host"].rpartition(":")
        client.base_url = f"{server.scheme}://{host}:{port}"
    options = {"host": "127.0.0.1", "port": server.port} if "Host" in headers else {}
    try:
        await client.open(additional_headers=wanted, **options)
    except InvalidStatus as error:
        return error.response.status_code
    finally:
        await client.close()
    return 101


async def _push_status(server: ServerProcess, room: str, user: str, headers: dict[str, str]) -> int:
    client = make_client(server, "h2push", room, user)
    assert isinstance(client, PushClient)
    client.headers |= headers
    try:
        await client.open(f"/rooms/{room}/push")
    except RefusedError as error:
        return error.status or 0
    finally:
        await client.close()
    return client.status


def origin_headers(server: ServerProcess, host: str) -> dict[str, str]:
    return {"Host": f"{host}:{server.port}", "Origin": f"{server.scheme}://{host}:{server.port}"}


@every_way
async def test_no_origin_is_no_browser_and_passes(servers: ServerPool, way: Way) -> None:
    assert await status_of(servers.shared(way.target.server), way, {}) < 300


@every_way
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_own_loopback_origin_passes(servers: ServerPool, way: Way, host: str) -> None:
    server = servers.shared(way.target.server)
    assert await status_of(server, way, origin_headers(server, host)) < 300


@every_way
async def test_other_origins_are_forbidden(servers: ServerPool, way: Way) -> None:
    server = servers.shared(way.target.server)
    own, other_scheme = f"127.0.0.1:{server.port}", {"http": "https", "https": "http"}[server.scheme]
    for origin in (
        "http://evil.example",
        f"http://evil.example:{server.port}",
        f"{other_scheme}://{own}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        f"http://{own}.evil.example",
        f"http://evil.example@{own}",
        f"http://localhost:{server.port}",
        f"http://{own}/",
        "null",
        "",
    ):
        assert await status_of(server, way, {"Origin": origin}) == 403, origin


@every_way
async def test_host_that_is_not_ours_makes_no_origin_good(servers: ServerPool, way: Way) -> None:
    """DNS rebinding: the page's own name now resolves to this server, and Host agrees with Origin."""
    server = servers.shared(way.target.server)
    assert await status_of(server, way, origin_headers(server, "evil.example")) == 403


@every_way
async def test_allow_list_replaces_the_default(servers: ServerPool, way: Way) -> None:
    settings = {"ORIGINS": "https://lab.example,http://other.example:8080"}
    server = servers.shared(way.target.server, settings)
    assert await status_of(server, way, {"Origin": "https://lab.example"}) < 300
    assert await status_of(server, way, {"Origin": "http://other.example:8080"}) < 300
    for origin in ("http://lab.example", "https://lab.example:8443", "https://xlab.example", "null"):
        assert await status_of(server, way, {"Origin": origin}) == 403, origin
    assert await status_of(server, way, {"Origin": server.base_url}) == 403
    assert await status_of(server, way, {}) < 300


@every_way
async def test_missing_origin_is_forbidden_when_required(servers: ServerPool, way: Way) -> None:
    server = servers.shared(way.target.server, {"REQUIRE_ORIGIN": "1"})
    assert await status_of(server, way, {}) == 403
    assert await status_of(server, way, {"Origin": server.base_url}) < 300


@every_way
async def test_forwarded_headers_change_nothing(servers: ServerPool, way: Way) -> None:
    server = servers.shared(way.target.server)
    headers = {
        "Origin": "https://evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
    }
    assert await status_of(server, way, headers) == 403
