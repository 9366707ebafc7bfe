"""Bytes to and from Redis: what leaves together, and what is made of what comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from core.backplane.redis import RedisBackplane
from core.backplane.redis_wire import Wire
from core.model import RoomId
from tests.contracts.kit.tls import made_pair
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import FREE, chat


class Transport:
    """What a wire writes to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Wire, Transport]:
    wire, transport = Wire(), Transport()
    wire.connection_made(cast(asyncio.Transport, transport))
    return wire, transport


async def test_commands_of_a_loop_turn_leave_in_one_write() -> None:
    wire, transport = connected()
    for number in range(3):
        wire.send(("PING", number))
    assert transport.written == []
    await asyncio.sleep(0)
    wire.send(("PING", 3))
    await asyncio.sleep(0)
    assert [data.count(b"PING") for data in transport.written] == [3, 1]
    wire.send(("PING", 4))
    wire.close()
    await asyncio.sleep(0)
    assert len(transport.written) == 2
    assert not wire.connected


async def test_publishes_of_a_loop_turn_share_a_write(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane):
        link = backplane._caller._link
        assert link is not None
        real, spy = link._wire._transport, Transport()
        assert real is not None
        with monkeypatch.context() as patched:
            patched.setattr(link._wire, "_transport", spy)
            publishing = [
                asyncio.create_task(backplane.publish(RoomId("written"), chat(f"m{number}"))) for number in range(20)
            ]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert [data.count(b"EVALSHA") for data in spy.written] == [20]
        real.write(spy.written[0])
        published = await asyncio.gather(*publishing)
        assert [each.position.offset for each in published] == list(range(1, 21))


async def test_replies_are_handed_on_in_order_however_they_are_cut() -> None:
    wire, transport = connected()
    replies: list[Any] = []
    wire.data_received(b"+OK\r\n:4")
    serving = asyncio.create_task(wire.serve(replies.append))
    await asyncio.sleep(0)
    for part in (b"2\r\n*2\r\n$1\r\na", b"\r\n$-1\r\n-NOSCRIPT No matching", b" script.\r\n"):
        wire.data_received(part)
    assert replies[:3] == [b"OK", 42, [b"a", None]]
    assert isinstance(replies[3], NoScriptError)
    wire.connection_lost(OSError("reset"))
    with pytest.raises(OSError, match="reset"):
        await serving
    assert transport.closed


async def test_what_redis_says_before_it_closes_is_raised_rather_than_the_end() -> None:
    wire, _ = connected()
    wire.data_received(b"-LOADING Redis is loading the dataset in memory\r\n")
    wire.connection_lost(None)
    with pytest.raises(RedisConnectionError, match="loading"):
        await wire.serve(print)


async def test_failure_of_who_is_replied_to_ends_the_connection() -> None:
    wire, transport = connected()

    def fail(reply: Any) -> None:
        raise LookupError(reply)

    serving = asyncio.create_task(wire.serve(fail))
    await asyncio.sleep(0)
    wire.data_received(b"+OK\r\n+OK\r\n")
    with pytest.raises(LookupError):
        await serving
    assert transport.closed


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})])
@pytest.mark.parametrize("way", ["rediss", "unix"])
async def test_messages_come_over_tls_and_over_a_unix_socket(redis_url: str, tmp_path: Path, way: str) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    pair = made_pair(tmp_path)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copied(reader, back_writer), _copied(back_reader, writer))

    if way == "rediss":
        server = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=pair.context())
        url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?ssl_ca_certs={pair.certfile}"
    else:
        server = await asyncio.start_unix_server(carry, tmp_path / "redis.sock")
        url = f"unix://{tmp_path / 'redis.sock'}?db=0"
    room = RoomId("lobby")
    async with server:
        backplane = RedisBackplane(url, FREE)
        async with listening(backplane, room) as recorder:
            published = [(await backplane.publish(room, chat(str(number)))).position.offset for number in range(5)]
            assert await recorder.offsets(room, 5) == published


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()
