"""What Socket.IO adds to the contract: its handshake, callbacks, its own long polling, and bounds on all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.contracts.kit.clients import RefusedError, RoomClient, SocketIoClient, ending
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.limits import EVENT_S, FRAME_MAX_BYTES
from tests.contracts.kit.metrics import until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, Target, make_client, unique

pytestmark = pytest.mark.parametrize("target", [Target("socketio", "socketio")], ids=str)

POLLING = "/socket.io/?EIO=4&transport=polling"


def socket_io(client: object) -> SocketIoClient:
    assert isinstance(client, SocketIoClient)
    return client


async def test_engine_tells_its_times_and_limit(server: ServerProcess, room: str) -> None:
    client = socket_io(make_client(server, "socketio", room, unique("alice")))
    opened = await client.open()
    await client.close()
    assert (opened["pingInterval"], opened["pingTimeout"]) == (15_000, 15_000)
    assert opened["maxPayload"] == FRAME_MAX_BYTES
    assert opened["upgrades"] == []


async def test_refusal_goes_to_the_callback_alone(server: ServerProcess, connect: Connect) -> None:
    alice = socket_io(await connect())
    reply = await alice.answer(await alice.emit('["chat",{"content":"","ref":"r1"}]'))
    assert (reply.type, reply.text("code"), reply.ref) == ("error", "bad_request", "r1")
    await alice.publish("next")
    assert (await alice.next_chat()).text("content") == "next"


async def test_refusal_without_a_callback_is_an_event(server: ServerProcess, connect: Connect) -> None:
    alice = socket_io(await connect())
    await alice.send('42["chat",{"content":""}]')
    with pytest.raises(RefusedError) as opened:
        await alice.next_chat()
    assert opened.value.code == "bad_request"


@pytest.mark.parametrize(
    "packet",
    [
        '42["chat"]', '42["chat",{"content":"a"},{"content":"b"}]', '42["shout",{"content":"x"}]', "42", "42{}",
        '42["chat",{"content":"a","content":"b"}]', '42["chat",{"content":"a","userId":"eve"}]',
        "42" + "[" * 9000, '451-["chat",{"_placeholder":true,"num":0}]', "4", "9", "", "probe", b"\x04binary",
    ],
    ids=lambda packet: str(packet)[:24],
)  # fmt: skip
async def test_malformed_packet_is_reported_and_the_third_in_a_row_disconnects(
    server: ServerProcess, connect: Connect, packet: str | bytes
) -> None:
    alice = socket_io(await connect())
    for _ in range(2):
        await alice.send(packet)
        with pytest.raises(RefusedError):
            await alice.next_chat()
    await alice.publish("forgiven")
    for _ in range(3):
        await alice.send(packet)
    end = await ending(alice)
    assert set(end.codes) == {"bad_request"}
    assert len(end.codes) >= 3
    assert alice.disconnected, "it is not to come back by itself"
    assert not server.log_offences()


async def test_message_over_the_limit_closes_with_1009(server: ServerProcess, connect: Connect) -> None:
    alice = socket_io(await connect())
    await alice.send('42["chat",{"content":"x"}' + " " * FRAME_MAX_BYTES + "]")
    assert (await ending(alice)).close_code == 1009


async def test_other_namespaces_are_refused(server: ServerProcess, room: str) -> None:
    client = socket_io(make_client(server, "socketio", room, unique("alice")))
    await client.open()
    await client.send("40/admin," + json.dumps({"token": client.token, "room": room}))
    async with asyncio.timeout(EVENT_S):
        assert str(await client.socket.recv()).startswith("44/admin,")
    await client.close()


async def test_leaving_ends_the_membership_at_once(server: ServerProcess, connect: Connect) -> None:
    observer, alice = await connect("observer"), await connect("alice")
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    await alice.leave()
    assert (await observer.presence_of(alice.user_id)).type == "user_left"


async def test_connection_that_joins_no_room_is_closed(servers: ServerPool, target: Target, room: str) -> None:
    server = servers.shared("socketio", {"HELLO_SECONDS": "0.3"})
    client = socket_io(make_client(server, "socketio", room, unique("alice")))
    await client.open()
    assert (await ending(client)).codes == ()


async def test_refused_handshake_may_not_stay(servers: ServerPool, target: Target, room: str) -> None:
    server = servers.shared("socketio", {"HELLO_SECONDS": "0.3"})
    client = socket_io(make_client(server, "socketio", room, unique("alice"), lambda user: "forged"))
    with pytest.raises(RefusedError):
        await client.connect()
    assert (await ending(client)).codes == ()


async def test_draining_server_lets_clients_come_back_by_themselves(
    servers: ServerPool, target: Target, connect: Connect
) -> None:
    server = servers.own("socketio", {"DRAIN_SECONDS": "3"})
    alice = socket_io(await connect("alice", server=server))
    server.terminate()
    assert (await ending(alice)).codes == ("shutting_down",)
    assert not alice.disconnected, "disconnected by the server, socket.io-client would not reconnect"
    assert await asyncio.to_thread(server.wait) == 0


async def test_peers_that_answer_no_ping_leave(
    servers: ServerPool, target: Target, connect: Connect, room: str
) -> None:
    """One on a WebSocket, whose library answers RFC 6455's pings but not the engine's, and one that polled once."""
    server = servers.shared("socketio", {"PRESENCE_TTL_SECONDS": "1", "HEARTBEAT_SECONDS": "0.3"})
    observer = await connect("observer", server=server)
    watching = asyncio.create_task(_leavers(observer, 2))
    silent = socket_io(await connect("silent", server=server))
    async with http_client(server.base_url) as http:
        user = unique("polled")
        await open_polled(http, room, user)
        assert await watching >= {silent.user_id, user}


async def _leavers(observer: RoomClient, count: int) -> set[str]:
    """The users whom an observer sees leave; it reads all the time, so it stays itself."""
    left: set[str] = set()
    while len(left) < count:
        event = await observer.next_event()
        left |= {event.text("userId")} if event.type == "user_left" else set()
    return left


async def test_stalled_reader_is_cut_and_resumes(servers: ServerPool, target: Target, connect: Connect) -> None:
    server = servers.shared("socketio", {"OUTBOX_BYTES": "65536", "RATE": "0"})
    publisher = await connect("publisher", server=server)
    stalled = socket_io(await connect("stalled", server=server))
    since = stalled.position
    stalled.socket.transport.pause_reading()
    for count in range(900):
        await publisher.publish('"' * 4096)
        if not count % 20 and await _slow_consumers(server):
            break
    else:
        raise AssertionError("never cut")
    await publisher.publish("last")
    again = await connect("stalled", server=server, join=False)
    assert (await again.connect(since)).recovered
    assert (await again.contents_until("last"))[-1] == "last"
    stalled.socket.transport.abort()


async def _slow_consumers(server: ServerProcess) -> float:
    async with http_client(server.base_url) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("rtlab_slow_consumers_total{"))


async def test_writer_who_reads_nothing_is_not_read_from(servers: ServerPool, target: Target, connect: Connect) -> None:
    """Each command brings an answer: unread answers must not pile up in the server."""
    server = servers.shared("socketio", {"RATE": "0", "OUTBOX_BYTES": "65536"})
    greedy = socket_io(await connect("greedy", server=server))
    greedy.socket.transport.pause_reading()
    command = '["chat",' + json.dumps({"content": "x" * 2000, "ref": "r"}) + "]"
    sending = asyncio.create_task(emit_for_ever(greedy, command))
    done, _ = await asyncio.wait({sending}, timeout=3)
    assert not done, "it was ended, not held up"
    held_up = greedy.socket.transport.get_write_buffer_size()
    sending.cancel()
    assert held_up, "all of it was read"
    greedy.socket.transport.abort()
    await until_total(server, "rtlab_connections", lambda total: total == 0)
    assert not server.log_offences()


async def emit_for_ever(client: SocketIoClient, arguments: str) -> None:
    while True:
        await client.emit(arguments)


@pytest.fixture
async def polled(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(server.base_url) as http:
        yield http


async def open_polled(http: httpx.AsyncClient, room: str, user: str = "") -> str:
    """The engine's and the room's handshake over long polling; the address of the session."""
    opening = await http.get(POLLING)
    assert opening.status_code == 200
    address = f"{POLLING}&sid={json.loads(opening.text[1:])['sid']}"
    auth = {"token": sign(user or unique("alice")), "room": room}
    assert (await http.post(address, content="40" + json.dumps(auth))).text == "OK"
    return address


async def packets_until(http: httpx.AsyncClient, address: str, prefix: str) -> list[str]:
    packets: list[str] = []
    while not any(packet.startswith(prefix) for packet in packets):
        packets += (await http.get(address)).text.split("\x1e")
    return packets


async def test_long_polling_carries_the_same(polled: httpx.AsyncClient, room: str) -> None:
    address = await open_polled(polled, room)
    assert (await polled.post(address, content='421["chat",{"content":"<b>","ref":"r1"}]')).status_code == 200
    packets = await packets_until(polled, address, "431[")
    if not any('"&lt;b&gt;"' in packet for packet in packets):
        packets += await packets_until(polled, address, '42["event",{"type":"chat"')
    assert packets[0].startswith("40")
    assert json.loads(packets[1][2:])[1]["type"] == "welcome"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"4" * (FRAME_MAX_BYTES + 1), 413, "too_large"),
        ("\x1e".join(["3"] * 17).encode(), 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b"d=4", 400, "bad_request"),
        (b"4[[[[", 400, "bad_request"),
        (b"5", 400, "bad_request"),
        (b"", 400, "bad_request"),
    ],
)
async def test_bad_bodies_are_refused_before_the_engine(
    server: ServerProcess, polled: httpx.AsyncClient, room: str, body: bytes, status: int, code: str
) -> None:
    address = await open_polled(polled, room)
    response = await polled.post(address, content=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not server.log_offences()


async def test_jsonp_is_not_served(polled: httpx.AsyncClient) -> None:
    assert (await polled.get(POLLING + "&j=0")).json()["code"] == "bad_request"


async def test_upgrade_of_a_foreign_page_is_forbidden(server: ServerProcess, room: str) -> None:
    client = socket_io(make_client(server, "socketio", room, unique("alice")))
    with pytest.raises(InvalidStatus) as refused:
        await client.open(additional_headers={"Origin": "http://evil.example"})
    assert refused.value.response.status_code == 403
