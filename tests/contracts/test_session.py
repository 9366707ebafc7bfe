"""The cookie session: native EventSource is authorised without a token in a URL."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from tests.contracts.kit.clients.base import RefusedError
from tests.contracts.kit.clients.http import HttpRoomClient, http_client, refusal
from tests.contracts.kit.metrics import until
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import OTHER_SECRET, claims, encode, sign
from tests.contracts.targets import EACH_APP, HTTP_TARGETS, Connect, Target, make_client, unique

each_app = pytest.mark.parametrize("target", EACH_APP, ids=str)

MALFORMED_BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"token",
    b'{"token":1}',
    b'{"token":null}',
    b'{"token":"a","token":"b"}',
    b'{"token":"a","room":"b"}',
    b'{"token":"\xff"}',
)


async def open_session(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/session", json={"token": token})


@each_app
async def test_cookie_is_out_of_reach_of_scripts_and_other_sites(server: ServerProcess) -> None:
    token = sign(unique("alice"))
    async with http_client(server.base_url) as http:
        response = await open_session(http, token)
    assert (response.status_code, response.content) == (204, b"")
    cookies = SimpleCookie(response.headers["set-cookie"])
    (morsel,) = cookies.values()
    assert morsel["httponly"] is True
    assert morsel["samesite"].lower() == "strict"
    assert morsel["path"] == "/"
    assert not morsel["domain"], "a cookie for the host alone"


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_cookie_authorises_everything_a_token_does(server: ServerProcess, target: Target, room: str) -> None:
    user = unique("alice")
    client = make_client(server, target.transport, room, user)
    assert isinstance(client, HttpRoomClient)
    del client.http.headers["Authorization"]
    try:
        with pytest.raises(RefusedError):
            await client.connect()
        assert (await open_session(client.http, client.token)).status_code == 204
        await client.connect()
        await client.publish("by cookie")
        event = await client.next_chat()
        assert (event.text("userId"), event.text("content")) == (user, "by cookie")
        assert (await client.http.get(f"/rooms/{room}")).status_code == 200
        await client.leave()
    finally:
        await client.close()


@each_app
async def test_cookies_token_is_held_to_its_rooms(server: ServerProcess, room: str) -> None:
    async with http_client(server.base_url) as http:
        assert (await open_session(http, sign("alice", ["another"]))).status_code == 204
        response = await http.post(f"/rooms/{room}/messages", json={"content": "x"})
        assert (response.status_code, refusal(response).code) == (403, "forbidden")


@each_app
@pytest.mark.parametrize(
    "token",
    ["", "x", encode(claims("alice"), secret=OTHER_SECRET), sign("alice", lifetime_s=-60)],
    ids=["empty", "garbage", "forged", "expired"],
)
async def test_bad_token_gets_no_cookie(server: ServerProcess, token: str) -> None:
    async with http_client(server.base_url) as http:
        response = await open_session(http, token)
    assert refusal(response).code in {"unauthorized", "bad_request"}
    if token:
        assert response.status_code == 401
    assert "set-cookie" not in response.headers


@each_app
@pytest.mark.parametrize("body", MALFORMED_BODIES)
async def test_malformed_body_gets_no_cookie(server: ServerProcess, body: bytes) -> None:
    async with http_client(server.base_url) as http:
        response = await http.post("/session", content=body, headers={"Content-Type": "application/json"})
    assert refusal(response).code in {"bad_request", "unauthorized"}
    assert "set-cookie" not in response.headers


@each_app
async def test_forged_cookie_is_unauthorized(server: ServerProcess, room: str) -> None:
    async with http_client(server.base_url) as http:
        await open_session(http, sign("alice"))
        (name,) = http.cookies.keys()
    for value in ("", "x", encode(claims("alice"), secret=OTHER_SECRET)):
        async with http_client(server.base_url, headers={"Cookie": f"{name}={value}"}) as http:
            response = await http.get(f"/rooms/{room}")
            assert (response.status_code, refusal(response).code) == (401, "unauthorized")


@each_app
async def test_session_ends_with_its_token(server: ServerProcess, connect: Connect, room: str) -> None:
    async with http_client(server.base_url) as http:
        assert (await open_session(http, sign(unique("alice"), lifetime_s=2))).status_code == 204
        cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    async with http_client(server.base_url, headers={"Cookie": cookie}) as http:
        assert (await http.get(f"/rooms/{room}")).status_code == 200

        async def refused() -> bool:
            return (await http.get(f"/rooms/{room}")).status_code == 401

        await until(refused)
