"""What only a WebSocket has: hello, ping, close codes, frames of other kinds."""

from __future__ import annotations

import json

import pytest
from websockets.frames import Frame, Opcode

from tests.contracts.kit.clients import DisconnectedError, WebSocketClient, ending
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import Connect, Target, make_client, unique

WEBSOCKETS = (Target("websocket", "websocket"), Target("all", "websocket"))
pytestmark = pytest.mark.parametrize("target", WEBSOCKETS, ids=str)


async def joined(connect: Connect, user: str = "alice") -> WebSocketClient:
    client = await connect(user)
    assert isinstance(client, WebSocketClient)
    return client


async def opened(connect: Connect) -> WebSocketClient:
    client = await connect("alice", join=False)
    assert isinstance(client, WebSocketClient)
    await client.open()
    return client


async def first_refusal(client: WebSocketClient) -> str | int | None:
    """The code of the error event, or the close code where none came before it."""
    try:
        return (await client.receive()).text("code")
    except DisconnectedError as error:
        return error.close_code


async def close_code_after(client: WebSocketClient) -> int | None:
    """Read until the end; replies on the way are dropped."""
    return (await ending(client)).close_code


async def test_no_hello_in_time_closes_with_4408(servers: ServerPool, connect: Connect, target: Target) -> None:
    server = servers.shared(target.server, {"HELLO_SECONDS": "0.3"})
    client = await connect("alice", server=server, join=False)
    assert isinstance(client, WebSocketClient)
    await client.open()
    assert await close_code_after(client) == 4408


async def test_bad_frames_do_not_put_off_the_hello_deadline(
    servers: ServerPool, connect: Connect, target: Target
) -> None:
    server = servers.shared(target.server, {"HELLO_SECONDS": "0.3"})
    client = await connect("alice", server=server, join=False)
    assert isinstance(client, WebSocketClient)
    await client.open()
    await client.socket.ping()
    assert await close_code_after(client) == 4408


async def test_first_frame_must_be_hello(server: ServerProcess, connect: Connect) -> None:
    bob = await joined(connect, "bob")
    client = await opened(connect)
    await client.send_json({"type": "chat", "content": "before hello"})
    assert await first_refusal(client) in {"bad_request", "unauthorized", 4400, 4401}
    await bob.publish("marker")
    assert await bob.contents_until("marker") == ["marker"]


@pytest.mark.parametrize("position", ["", "x", ":", "abcdefgh", "abcdefgh:", "short:1", "abcdefgh:-1", 5, None])
async def test_hello_with_a_bad_since_is_a_bad_request(
    server: ServerProcess, connect: Connect, position: object
) -> None:
    client = await opened(connect)
    await client.send_json({"type": "hello", "token": client.token, "since": position})
    assert (await client.receive()).text("code") == "bad_request"
    # The connection lives on: a good hello still enters.
    await client.send_json({"type": "hello", "token": client.token})
    assert (await client.receive()).type == "welcome"


async def test_second_hello_is_a_bad_request(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    await alice.send_json({"type": "hello", "token": alice.token})
    assert (await alice.reply()).text("code") == "bad_request"
    assert (await alice.publish("still here")).offset > 0


@pytest.mark.parametrize("ref", [None, "r-1"])
async def test_ping_is_answered_by_pong(server: ServerProcess, connect: Connect, ref: str | None) -> None:
    alice = await joined(connect)
    await alice.send_json({"type": "ping"} if ref is None else {"type": "ping", "ref": ref})
    pong = await alice.reply()
    assert (pong.type, pong.ref) == ("pong", ref)


async def test_ack_has_no_ref_when_the_chat_had_none(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    await alice.send_json({"type": "chat", "content": "x"})
    ack = await alice.reply()
    assert (ack.type, ack.ref) == ("ack", None)


async def test_leave_closes_with_1000_and_is_seen(server: ServerProcess, connect: Connect) -> None:
    bob, alice = await joined(connect, "bob"), await joined(connect)
    await alice.leave()
    assert await close_code_after(alice) == 1000
    assert (await bob.presence_of(alice.user_id)).type == "user_joined"
    assert (await bob.presence_of(alice.user_id)).type == "user_left"


async def test_error_repeats_the_ref_it_is_about(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    await alice.send_json({"type": "chat", "content": "", "ref": "mine"})
    error = await alice.reply()
    assert error.text("code") == "bad_request"
    assert error.ref in {"mine", None}


async def test_three_bad_requests_in_a_row_close_with_4400(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    for _ in range(3):
        await alice.send("not JSON")
    end = await ending(alice)
    assert end.close_code == 4400
    assert set(end.codes) == {"bad_request"}


async def test_a_good_command_starts_the_count_again(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    for _ in range(3):
        for _ in range(2):
            await alice.send("not JSON")
            assert (await alice.reply()).text("code") == "bad_request"
        await alice.publish("good")


async def test_binary_frame_is_a_bad_request(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    await alice.send(json.dumps({"type": "ping"}).encode())
    assert (await alice.reply()).text("code") == "bad_request"
    await alice.publish("still here")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame(Opcode.TEXT, b"\xff\xfe"), 1007),
        (Frame(Opcode.TEXT, b"\xed\xa0\x80"), 1007),
        (Frame(Opcode.TEXT, b"{}", rsv1=True), 1002),
        (Frame(Opcode.TEXT, b"{}", rsv3=True), 1002),
        (Frame(Opcode.CONT, b"{}"), 1002),
        (Frame(Opcode.PING, b"x", fin=False), 1002),
        (Frame(Opcode.PING, b"x" * 126), 1002),
    ],
    ids=["not UTF-8", "surrogate in UTF-8", "RSV1", "RSV3", "stray continuation", "split ping", "long ping"],
)
async def test_violations_below_json_close_as_rfc_6455_says(
    server: ServerProcess, connect: Connect, frame: Frame, expected: int
) -> None:
    alice = await joined(connect)
    data = bytearray(Frame(Opcode.TEXT, frame.data).serialize(mask=True))
    data[0] = frame.fin << 7 | frame.rsv1 << 6 | frame.rsv2 << 5 | frame.rsv3 << 4 | frame.opcode
    alice.socket.transport.write(bytes(data))
    assert await close_code_after(alice) == expected


async def test_unmasked_frame_closes_with_1002(server: ServerProcess, connect: Connect) -> None:
    alice = await joined(connect)
    alice.socket.transport.write(Frame(Opcode.TEXT, b"{}").serialize(mask=False))
    assert await close_code_after(alice) == 1002


async def test_cookie_does_not_replace_the_hellos_token(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice", join=False)
    assert isinstance(alice, WebSocketClient)
    header = {"Authorization": f"Bearer {alice.token}", "Cookie": f"session={alice.token}; token={alice.token}"}
    await alice.open(additional_headers=header)
    await alice.send_json({"type": "hello"})
    assert await first_refusal(alice) in {"unauthorized", "bad_request", 4401}


async def test_many_sockets_of_one_user_live_side_by_side(server: ServerProcess, room: str) -> None:
    user = unique("alice")
    tabs = [make_client(server, "websocket", room, user) for _ in range(5)]
    try:
        for tab in tabs:
            await tab.connect()
        await tabs[0].publish("to all tabs")
        for tab in tabs:
            assert (await tab.next_chat()).text("content") == "to all tabs"
    finally:
        for tab in tabs:
            await tab.close()
