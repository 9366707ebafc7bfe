"""One box with a server behind it, and who is connected through it and directly."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from core.auth import sign
from core.catalogue import Record
from loadtests.evidence.middleboxes.peers import ASKED, Crew, Peer
from loadtests.load.clients.base import Access, Endpoint
from loadtests.load.clients.publish import PublishClient
from loadtests.run.boxes import Program, Setting, Variant
from loadtests.run.boxes.box import Box
from loadtests.run.servers import HOST, Server

TOKEN_S = 1800.0
STREAMS = ("sse", "fetchstream")  # what a browser offers to take compressed
_GZIP = "Accept-Encoding: gzip\r\n"


@dataclass(eq=False, slots=True)
class Site:
    """A box as it stands in one pass. Without a program: the control, a server with nothing in front of it."""

    name: str
    server: Server
    program: Program | None = None
    variant: Variant | None = None
    settings: tuple[Setting, ...] = ()
    version: str = ""
    box: Box | None = None
    asked: tuple[Record, ...] = ASKED
    through: dict[str, Peer] = field(default_factory=dict)  # the members, by transport
    direct: dict[str, Peer] = field(default_factory=dict)
    publisher: Peer | None = None
    _users: int = 0

    @property
    def slug(self) -> str:
        """The name as rooms and folders have it."""
        return "".join(each if each.isalnum() else "-" for each in self.name)

    @property
    def dense(self) -> bool:
        """Whether the added latency is measured to the p99, and the never-reading client is tried."""
        return self.variant is None or self.variant.dense

    @property
    def origin(self) -> str:
        """The origin of a page that the box serves."""
        return self.endpoint(through=True).url

    def endpoint(self, *, through: bool) -> Endpoint:
        """Where clients connect."""
        if not through or self.box is None:
            return Endpoint(HOST, self.server.port)
        return Endpoint(HOST, self.box.port, self.box.variant.tls)

    def access(self, room: str, *, through: bool) -> Access:
        """A new user's way into a room."""
        self._users += 1
        token = sign(self.server.secret.encode(), f"user{self._users}", ["*"], time.time() + TOKEN_S)
        return Access(self.endpoint(through=through), f"{room}-{self.slug}", token)

    def join(
        self, crew: Crew, record: Record, room: str, wait_s: float, *, through: bool = True, lines: str = ""
    ) -> Peer:
        """Send a new user into a room."""
        headers = lines + (_GZIP if record.name in STREAMS else "")
        return crew.join(record, self.access(room, through=through), wait_s=wait_s, headers=headers)

    def publish(self, crew: Crew, room: str, content: str, ref: str) -> None:
        """Publish past the box."""
        access = self.access(room, through=False) if self.publisher is None or self.publisher.ended_s else None
        if access is not None:
            self.publisher = crew.enter("", PublishClient(access))
        assert self.publisher is not None
        client = self.publisher.client
        assert isinstance(client, PublishClient)
        client.access = client.access._replace(room=f"{room}-{self.slug}")
        crew.send(self.publisher, client.publish(content, ref))

    @property
    def unanswered(self) -> int:
        """Publications on their way."""
        client = None if self.publisher is None else self.publisher.client
        return client.unanswered if isinstance(client, PublishClient) else 0
