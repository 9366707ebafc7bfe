"""The room over HTTP/2 server push: `h2` over asyncio's TLS streams; publishing by `httpx`."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from tests.contracts.kit.clients.base import DisconnectedError, Joined, RefusedError
from tests.contracts.kit.clients.http import HttpRoomClient, refusal_of
from tests.contracts.kit.events import ROOM_EVENTS, ContractViolationError, Event
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tls import taking_any

_READ_BYTES = 65_536


class PushClient(HttpRoomClient):
    """Set `takes_pushes` or `window_bytes` before it connects to be another kind of client."""

    takes_pushes = True
    window_bytes = 65_535  # of each stream
    acknowledges = True  # False: what it has read does not open its windows again

    def __init__(self, base_url: str, room: str, user_id: str, token: str) -> None:
        super().__init__(base_url, room, user_id, token)
        self.headers: dict[str, str] = {}  # of the request, beside its usual ones
        self._writer: asyncio.StreamWriter | None = None
        self._begin()

    def _begin(self) -> None:
        self.pushed_paths: list[str] = []
        self.beats = 0  # empty lines
        self.status = 0
        self.head: dict[str, str] = {}
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._stream_id = 0
        self._text = b""
        self._promised: dict[int, tuple[str, bytes]] = {}
        self._reported: deque[Event] = deque()
        self._ended = False

    async def connect(self, since: object = None) -> Joined:
        await self.open(f"/rooms/{self.room}/push" + ("" if since is None else f"?since={since}"))
        welcome = await self.next_reported()
        if welcome.type == "error":
            raise RefusedError(welcome)
        if self.head.get("content-type") != "application/x-ndjson":
            raise ContractViolationError(f"a stream with {self.head}")
        return await self._take_welcome(welcome, since)

    async def open(self, path: str) -> None:
        """Connect, ask, and wait for the response's head. Raises RefusedError."""
        await self.disconnect()
        self._begin()
        address = urlsplit(self.base_url)
        context = taking_any()
        context.set_alpn_protocols(["h2"])
        self._reader, self._writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
        settings = {
            h2.settings.SettingCodes.ENABLE_PUSH: int(self.takes_pushes),
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.window_bytes,
        }
        self._h2.local_settings = h2.settings.Settings(client=True, initial_values=settings)
        self._h2.initiate_connection()
        self._stream_id = self._h2.get_next_available_stream_id()
        rest = dict(self.http.build_request("GET", path, headers=self.headers).headers)  # with its token and cookies
        host = rest.pop("host")
        del rest["connection"]
        head = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", host), *rest.items()]
        self._h2.send_headers(self._stream_id, head, end_stream=True)
        async with asyncio.timeout(EVENT_S):
            while not self.status:
                await self._read()
            while self.status != 200 and not self._ended:
                await self._read()
        if self.status != 200:
            raise refusal_of(self.status, self.head, self._text)

    async def next_reported(self, timeout_s: float = EVENT_S) -> Event:
        """The next object that was pushed or said on the stream itself."""
        async with asyncio.timeout(timeout_s):
            while not self._reported:
                if self._ended:
                    raise DisconnectedError
                await self._read()
        return self._reported.popleft()

    async def disconnect(self) -> None:
        """Drop the connection of the stream, keep the HTTP client."""
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await self._writer.wait_closed()

    async def close(self) -> None:
        await self.disconnect()
        await super().close()

    async def _receive(self, timeout_s: float) -> Event:
        event = await self.next_reported(timeout_s)
        if event.type == "error":
            raise RefusedError(event)
        return event

    async def _read(self) -> None:
        assert self._writer is not None, "not connected"
        self._writer.write(self._h2.data_to_send())
        try:
            data = await self._reader.read(_READ_BYTES)
            events = self._h2.receive_data(data) if data else []
        except (OSError, ssl.SSLError, h2.exceptions.ProtocolError) as error:
            raise DisconnectedError from error
        if not data:
            self._ended = True
        for event in events:
            self._take(event)
        self._writer.write(self._h2.data_to_send())

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.PushedStreamReceived(pushed_stream_id=int() as stream_id, headers=list() as headers):
                if event.parent_stream_id != self._stream_id:
                    raise ContractViolationError(f"promised on stream {event.parent_stream_id}")
                path = dict(headers)[":path"]
                self.pushed_paths.append(str(path))
                self._promised[stream_id] = str(path), b""
            case h2.events.ResponseReceived(stream_id=self._stream_id, headers=headers):
                self.head = {str(name): str(value) for name, value in headers}
                self.status = int(self.head[":status"])
            case h2.events.ResponseReceived(headers=headers):
                if [str(value) for name, value in headers if str(name) == ":status"] != ["200"]:
                    raise ContractViolationError(f"a promise was answered {headers}")
            case h2.events.DataReceived(stream_id=stream_id, data=data):
                if self.acknowledges:
                    self._h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
                self._data(stream_id, data)
            case h2.events.StreamEnded(stream_id=stream_id) if stream_id in self._promised:
                self._pushed(*self._promised.pop(stream_id))
            case h2.events.StreamReset(stream_id=stream_id) if stream_id in self._promised:
                del self._promised[stream_id]
            case h2.events.StreamEnded(stream_id=self._stream_id) | h2.events.StreamReset(stream_id=self._stream_id):
                self._ended = True

    def _data(self, stream_id: int, data: bytes) -> None:
        if stream_id in self._promised:
            path, body = self._promised[stream_id]
            self._promised[stream_id] = path, body + data
            return
        self._text += data
        if self.status == 200:
            *lines, self._text = self._text.split(b"\n")
            self.beats += lines.count(b"")
            self._reported += [self._decode(line) for line in lines if line]

    def _pushed(self, path: str, body: bytes) -> None:
        event = self._decode(body)
        if event.type not in ROOM_EVENTS or path != f"/rooms/{self.room}/pushed/{event.id.offset}":
            raise ContractViolationError(f"{path} was promised, and {event} pushed")
        self._reported.append(event)
