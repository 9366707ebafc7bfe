"""The emulated link alone: order, delay, the end of a connection, and cutting a tab's connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from transports.link import Cords, LinkedApp

DELAY_S = 0.05
HOME = ("127.0.0.1", 1)
AWAY = ("127.0.0.1", 2)


class Peer:
    """The server's side of a connection: what the client sends, and what it got, with the time of each."""

    def __init__(self, incoming: Sequence[Message]) -> None:
        self._incoming = list(incoming)
        self.got: list[tuple[float, Message]] = []
        self.gone = False

    async def receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(self, message: Message) -> None:
        if self.gone:
            raise OSError("gone")
        self.got.append((asyncio.get_running_loop().time(), message))


def scope(kind: str = "http", query: str = f"delay={DELAY_S * 1000:.0f}") -> Scope:
    return {"type": kind, "query_string": query.encode(), "client": HOME, "extensions": {"rtlab.sink": {}}}


def linked(app: object) -> LinkedApp:
    return LinkedApp(app, Cords(lambda: 0.0))  # type: ignore[arg-type]


async def test_messages_keep_their_order_and_take_the_delay_each_way() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": message["text"]})

    texts = [str(count) for count in range(20)]
    incoming: list[Message] = [{"type": "websocket.receive", "text": text} for text in texts]
    peer = Peer([*incoming, {"type": "websocket.disconnect", "code": 1000}])
    began = asyncio.get_running_loop().time()
    await linked(echo)(scope("websocket"), peer.receive, peer.send)
    assert [message["text"] for _, message in peer.got] == texts
    assert peer.got[0][0] - began >= 2 * DELAY_S
    # Held side by side, not one after the other: twenty messages take no twenty delays.
    assert peer.got[-1][0] - began < 10 * DELAY_S


async def test_a_request_without_a_body_is_delayed_too() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    peer = Peer([{"type": "http.request", "body": b"", "more_body": False}])
    began = asyncio.get_running_loop().time()
    await linked(answer)(scope(), peer.receive, peer.send)
    assert [message["type"] for _, message in peer.got] == ["http.response.start", "http.response.body"]
    assert peer.got[0][0] - began >= 2 * DELAY_S


async def test_an_app_whose_peer_is_gone_is_notified_by_its_next_send() -> None:
    sent = []

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            sent.append(1)
            await send({"type": "websocket.send", "text": "anybody?"})
            await asyncio.sleep(DELAY_S / 5)

    peer = Peer([])
    peer.gone = True
    with pytest.raises(OSError, match="gone"):
        await asyncio.wait_for(linked(talk)(scope("websocket"), peer.receive, peer.send), 10)
    assert sent


async def test_a_disconnect_is_reported_as_often_as_it_is_asked_for() -> None:
    received = []

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([(await receive())["type"] for _ in range(3)])

    peer = Peer([{"type": "http.disconnect"}])
    await linked(ask)(scope(), peer.receive, peer.send)
    assert received == ["http.disconnect"] * 3


async def test_a_direct_sink_is_kept_from_a_linked_connection() -> None:
    seen = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["extensions"])

    peer = Peer([])
    await linked(look)(scope(), peer.receive, peer.send)
    await linked(look)(scope(query=""), peer.receive, peer.send)
    assert seen == [{}, {"rtlab.sink": {}}]


def test_a_cord_drops_its_own_tab_and_stays_cut_for_the_outage() -> None:
    now_s = 0.0
    cords = Cords(lambda: now_s)
    assert cords.plug("one", HOME)
    assert cords.plug("two", AWAY)
    assert cords.cut("one", 3.0) == {HOME}
    cords.unplug("one", HOME)
    now_s = 2.9
    assert not cords.plug("one", HOME)
    assert cords.plug("two", AWAY)
    now_s = 3.0
    assert cords.plug("one", HOME)
    assert cords.cut("unknown", 0.0) == set()
