"""Every bad token on every way in, and the end of streams and polls at a token's `exp`."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from tests.contracts.kit.clients import (
    DisconnectedError,
    PollClient,
    RefusedError,
    RoomClient,
    SocketIoClient,
    WebSocketClient,
    ending,
)
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import OTHER_SECRET, claims, encode, sign, unsigned
from tests.contracts.targets import EACH_APP, HTTP_TARGETS, Connect, Target, TokenOf, downstream, make_client, unique


def without(name: str) -> TokenOf:
    def token(user: str) -> str:
        payload = claims(user)
        del payload[name]
        return encode(payload)

    return token


def altered(**changes: object) -> TokenOf:
    return lambda user: encode(claims(user) | changes)


def tampered(user: str) -> str:
    """Another payload under a good signature."""
    good, other = sign(user).split("."), sign("mallory").split(".")
    return ".".join([good[0], other[1], good[2]])


BAD_TOKENS: dict[str, TokenOf] = {
    "garbage": lambda user: "not-a-token",
    "three empty parts": lambda user: "..",
    "another key": lambda user: encode(claims(user), secret=OTHER_SECRET),
    "alg none": lambda user: unsigned(claims(user)),
    "alg HS512": lambda user: encode(claims(user), algorithm="HS512"),
    "payload exchanged": tampered,
    "signature cut off": lambda user: sign(user).rpartition(".")[0] + ".",
    "expired": altered(exp=int(time.time()) - 60),
    "no exp": without("exp"),
    "exp not a number": altered(exp="tomorrow"),
    "no sub": without("sub"),
    "sub empty": altered(sub=""),
    "sub too long": altered(sub="a" * 65),
    "sub with markup": altered(sub="<b>alice</b>"),
    "sub with a newline at its end": altered(sub="alice\n"),
    "sub not ASCII": altered(sub="älice"),
    "no rooms": without("rooms"),
    "rooms a string": altered(rooms="*"),
    "rooms of numbers": altered(rooms=[1]),
    "rooms null": altered(rooms=None),
}


async def refused_with(client: RoomClient) -> tuple[str | None, int | None, int | None]:
    """(code, HTTP status, close code) of a connect that must not succeed; Socket.IO has neither of the last two."""
    code, status = None, None
    try:
        await client.connect()
    except RefusedError as error:
        code, status = error.code, error.status
        if not isinstance(client, WebSocketClient):
            return code, status, None
    except DisconnectedError as error:
        return code, None, error.close_code
    return code, None, (await ending(client)).close_code


def status_for(client: RoomClient, status: int) -> int | None:
    """The HTTP status of a refusal; Socket.IO refuses inside an open connection."""
    return None if isinstance(client, SocketIoClient) else status


@pytest.mark.parametrize("bad", tuple(BAD_TOKENS.values()), ids=tuple(BAD_TOKENS))
async def test_bad_token_does_not_enter(server: ServerProcess, connect: Connect, bad: TokenOf) -> None:
    client = await connect("alice", token=bad, join=False)
    code, status, close_code = await refused_with(client)
    if isinstance(client, WebSocketClient):
        assert (close_code, code) in {(4401, None), (4401, "unauthorized")}
    else:
        assert (code, status) == ("unauthorized", status_for(client, 401))


@pytest.mark.parametrize("target", EACH_APP, ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "messages"), ("POST", "leave"), ("GET", "")])
async def test_bad_token_neither_publishes_nor_looks(server: ServerProcess, room: str, method: str, path: str) -> None:
    for token in (None, *(bad("alice") for bad in BAD_TOKENS.values())):
        async with http_client(server.base_url, token) as http:
            url = f"/rooms/{room}/{path}".rstrip("/")
            response = await http.request(method, url, json={"content": "x"} if path == "messages" else None)
        assert (response.status_code, refusal(response).code) == (401, "unauthorized")


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_missing_token_is_unauthorized(server: ServerProcess, room: str, target: Target) -> None:
    async with http_client(server.base_url) as http:
        response = await http.get(downstream(target.transport, room))
        assert (response.status_code, refusal(response).code) == (401, "unauthorized")


async def test_room_not_in_the_token_is_forbidden(server: ServerProcess, connect: Connect, room: str) -> None:
    for rooms in ([], ["another"], [room[:-1]], [room + "x"], [f"{room[:-1]}*"]):
        client = await connect("alice", token=partial(sign, rooms=rooms), join=False)
        code, status, close_code = await refused_with(client)
        if isinstance(client, WebSocketClient):
            assert (close_code, code) in {(4403, None), (4403, "forbidden")}
        else:
            assert (code, status) == ("forbidden", status_for(client, 403))


@pytest.mark.parametrize("target", EACH_APP, ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "/messages"), ("POST", "/leave"), ("GET", "")])
async def test_every_path_of_a_forbidden_room_is_forbidden(
    server: ServerProcess, room: str, method: str, path: str
) -> None:
    async with http_client(server.base_url, sign("alice", ["another"])) as http:
        body = {"content": "x"} if path == "/messages" else None
        response = await http.request(method, f"/rooms/{room}{path}", json=body)
    assert (response.status_code, refusal(response).code) == (403, "forbidden")


async def test_user_is_the_tokens_sub(server: ServerProcess, room: str, target: Target) -> None:
    """`sub` may hold every character of its pattern, and up to 64 of them."""
    user = unique("A-z_0.9@x").ljust(64, "z")
    client = make_client(server, target.transport, room, user, partial(sign, rooms=[room]))
    try:
        await client.connect()
        await client.publish("x")
        assert (await client.next_chat()).text("userId") == user
    finally:
        await client.close()


async def test_live_connection_ends_when_its_token_expires(server: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer")
    client = await connect("alice", token=partial(sign, lifetime_s=2))
    assert (await observer.presence_of(client.user_id)).type == "user_joined"
    if isinstance(client, PollClient):
        await assert_polls_end(client)
    else:
        end = await ending(client)
        assert end.codes in {(), ("unauthorized",)}
        assert end.close_code == {WebSocketClient: 4401, SocketIoClient: 1000}.get(type(client))
        assert (await observer.presence_of(client.user_id)).type == "user_left"
    again = await connect("alice", token=lambda user: client.token, join=False)
    code, status, close_code = await refused_with(again)
    assert (status or close_code) in {status_for(again, 401), 4401}
    assert code in {None, "unauthorized"}


async def assert_polls_end(client: PollClient) -> None:
    """Polls of 55 s each: none may be held past the token's end, and then they are refused."""
    with pytest.raises(RefusedError) as refused:
        await poll_for_ever(client)
    assert (refused.value.code, refused.value.status) == ("unauthorized", 401)


async def poll_for_ever(client: PollClient) -> None:
    async with asyncio.timeout(EVENT_S):
        while True:
            for event in (await client.poll(client.position, 55)).events:
                client.position = event.id
            await asyncio.sleep(client.pause_s)
