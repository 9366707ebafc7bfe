"""The fast path of one app: what `transports.base.FastPath` asks for."""

from __future__ import annotations

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.types import Scope

from core.hub import Hub
from transports.base import Accepted, AnswerPoll, Protocols, Publish, Respond, RespondStream
from transports.conversation import Conversation
from transports.direct.http_stream import DirectStreams
from transports.direct.joining import Joining
from transports.direct.polls import Polls
from transports.direct.posts import expect_more
from transports.direct.protocols import DirectHttpProtocol, DirectWebSocketProtocol, http_behind, websocket_behind
from transports.direct.websocket import DirectWebSocket
from transports.direct.writing import chosen_writes
from transports.stream import StreamFormat


class DirectPath:
    """Raises SettingError where a way to write is asked for that is not there."""

    protocols: Protocols = DirectHttpProtocol, DirectWebSocketProtocol

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        chosen = chosen_writes(hub.settings.writes)
        self.writes = chosen.name
        self._joining = Joining(hub, chosen.to_each)

    def serves(self, scope: Scope) -> bool:
        """Whether the connection of an HTTP request can be written to."""
        return http_behind(scope) is not None

    def streams(self, wire_format: StreamFormat) -> RespondStream:
        """What answers with endless responses of this format."""
        return DirectStreams(self._hub, self._joining, wire_format).respond

    def polls(self, transport: str, respond: Respond) -> AnswerPoll:
        """What holds polls, and answers them."""
        return Polls(self._hub, self._joining, transport, respond).answer

    def take_websocket(self, scope: Scope, conversation: Conversation) -> bool:
        """Serve an accepted WebSocket from now on. Returns False where that can't be done."""
        protocol = websocket_behind(scope)
        if protocol is not None:
            DirectWebSocket(self._hub, self._joining, protocol, conversation).start()
        return protocol is not None

    def expect_posts(self, request: Request, publish: Publish, accepted: Accepted) -> BackgroundTask | None:
        """What to do behind the response to a POST, so that the next ones on its connection go to `publish`."""
        return expect_more(self._hub, request, publish, accepted)
