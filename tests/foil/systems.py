"""The two servers as a probe sees them: tabs of users in a room, and how many rooms there are."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contracts.kit.limits import CLOSE_S, EVENT_S
from tests.contracts.kit.metrics import scrape
from tests.contracts.kit.server import ServerProcess, ServerSpec, spec
from tests.contracts.kit.tokens import OTHER_SECRET, claims, encode, sign

Event = dict[str, Any]

_RECEIVE_BUFFER_BYTES = 65_536


class Tab:
    """One WebSocket of one user."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, content: str) -> None:
        """Send a chat; nothing happens on a connection that is gone."""
        await self.raw(json.dumps({"type": "chat", "content": content}))

    async def raw(self, text: str) -> None:
        try:
            await self.socket.send(text)
        except ConnectionClosed:
            return

    async def next(self, timeout_s: float = EVENT_S) -> Event | None:
        """The next event; None when none comes in time, or the connection is gone."""
        try:
            async with asyncio.timeout(timeout_s):
                event: Event = json.loads(await self.socket.recv())
        except (TimeoutError, ConnectionClosed):
            return None
        return event

    async def chats_until(self, last: str, timeout_s: float = EVENT_S) -> list[str]:
        """The contents of chats up to `last`, or as many as came."""
        contents: list[str] = []
        try:
            async with asyncio.timeout(timeout_s):
                while not contents or contents[-1] != last:
                    event = json.loads(await self.socket.recv())
                    contents += [event["content"]] if event["type"] == "chat" else []
        except (TimeoutError, ConnectionClosed):
            pass
        return contents

    async def is_open(self) -> bool:
        """Whether the server still answers a ping of RFC 6455."""
        try:
            async with asyncio.timeout(EVENT_S):
                await (await self.socket.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True


class System(ABC):
    """One running server, and the tabs that were opened on it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._tabs: list[Tab] = []

    @abstractmethod
    async def join(self, room: str, user: str, **options: Any) -> Tab:
        """Open a tab of a user who may be there; `options` go to `websockets.connect`."""

    async def join_with_small_buffer(self, room: str, user: str) -> Tab:
        """Open a tab whose kernel takes little for it: it is soon full when it reads nothing."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.server.port))
        return await self.join(room, user, sock=sock)

    @abstractmethod
    async def impersonate(self, room: str, user: str) -> bool:
        """Whether somebody with no right to it gets in under a user's name."""

    @abstractmethod
    async def rooms(self) -> int:
        """How many rooms the server holds."""

    async def admits(self, room: str, user: str, origin: str) -> bool:
        """Whether a page of `origin` is accepted."""
        try:
            await self.join(room, user, origin=origin)
        except InvalidStatus:
            return False
        return True

    async def close_tabs(self) -> None:
        for tab in self._tabs:
            tab.socket.transport.abort()
            await tab.socket.wait_closed()
        self._tabs.clear()

    async def _open(self, path: str, **options: Any) -> Tab:
        address = self.server.ws_base_url + path
        # Uncompressed: what is sent is what fills the buffers.
        options |= {"proxy": None, "compression": None, "open_timeout": EVENT_S, "close_timeout": CLOSE_S}
        tab = Tab(await connect(address, **options))
        self._tabs.append(tab)
        return tab


class Foil(System):
    """The naive server."""

    async def join(self, room: str, user: str, **options: Any) -> Tab:
        tab = await self._open(f"/ws?room={room}&user={user}", **options)
        while (event := await tab.next()) is not None and event != {"type": "user_joined", "userId": user}:
            pass
        return tab

    async def impersonate(self, room: str, user: str) -> bool:
        witness = await self.join(room, "witness")
        await (await self.join(room, user)).say("it is me")
        while (event := await witness.next()) is not None:
            if event["type"] == "chat":
                return bool(event["userId"] == user)
        return False

    async def rooms(self) -> int:
        async with httpx.AsyncClient(trust_env=False) as http:
            return int((await http.get(f"{self.server.base_url}/health")).json()["rooms"])


class Ours(System):
    """`transports.websocket`."""

    async def join(self, room: str, user: str, **options: Any) -> Tab:
        return await self._enter(room, sign(user), **options)

    async def impersonate(self, room: str, user: str) -> bool:
        tab = await self._open(f"/rooms/{room}/ws")
        await tab.raw(json.dumps({"type": "hello", "token": encode(claims(user), secret=OTHER_SECRET)}))
        event = await tab.next()
        return event is not None and event["type"] == "welcome"

    async def rooms(self) -> int:
        return int((await scrape(self.server)).total("rtlab_rooms"))

    async def _enter(self, room: str, token: str, **options: Any) -> Tab:
        tab = await self._open(f"/rooms/{room}/ws", **options)
        await tab.raw(json.dumps({"type": "hello", "token": token}))
        welcome = await tab.next()
        assert welcome is not None, "no welcome"
        assert welcome["type"] == "welcome", welcome
        return tab


@dataclass(frozen=True, slots=True)
class FoilSpec(ServerSpec):
    """How the naive server is started."""

    def command(self, port: int) -> list[str]:
        redis = dict(self.settings).get("REDIS_URL")
        command = [sys.executable, "-m", "tests.foil.naive", "--port", str(port)]
        return [*command, "--redis", redis] if redis else command


SYSTEMS: dict[str, type[System]] = {"foil": Foil, "ours": Ours}


def server_spec(system: str, settings: Mapping[str, str]) -> ServerSpec:
    """What to start for a system of SYSTEMS; the foil knows no setting but Redis."""
    if system == "ours":
        return spec("websocket", settings, "forked")
    known = {name: value for name, value in settings.items() if name == "REDIS_URL"}
    return FoilSpec("naive", tuple(known.items()))
