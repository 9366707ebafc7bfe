"""The user of a server that is not ours: what it says is in the cell's adapter."""

from __future__ import annotations

import time

from locust.env import Environment

from loadtests.adapters.adapter import Adapter
from loadtests.clients import foreign, stamp
from loadtests.clients.base import Client
from loadtests.clients.events import offset_of
from loadtests.clients.publish import PublishClient
from loadtests.users.raw_user import PostingUser, RawUser


class ForeignUser(PostingUser):
    """Listens by the adapter's protocol; publishes by POST on one connection, or on its own WebSocket."""

    label = "foreign"
    batch_size = staticmethod(foreign.frames_in)
    max_post_links = 1  # on several connections the server would not get the messages in their order

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        adapter = self.cell.spec.adapter
        if adapter is None:
            raise ValueError("a foreign server needs an adapter; the cell has none")
        self._adapter: Adapter = adapter

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return foreign.client(self._adapter, self.access, self.position)

    def new_post_client(self) -> PublishClient:
        """Make the client of the connection to publish on."""
        return foreign.ForeignPublishClient(self._adapter, self.access)

    def enter(self, timeout_s: float) -> None:
        """Connect as one who listens, also to speak where that is the way of messages; else to POST."""
        if self._adapter.publishes_over_socket:
            RawUser.enter(self, timeout_s)
        else:
            super().enter(timeout_s)

    def talk(self, content: str, ref: str) -> None:
        """Send one message without waiting."""
        if not self._adapter.publishes_over_socket:
            super().talk(content, ref)
        elif self.link is not None and isinstance(self.link.client, foreign.ForeignWebSocketClient):
            self.link.send(self.link.client.publish(content, ref))
            self._take_as_accepted(ref)
        else:
            self.cell.note(f"{self.label} publication not sent: not connected")

    def _take_as_accepted(self, ref: str) -> None:
        # Nothing acknowledges it: what the server lost on the way in is counted with what it lost on the way out.
        sent = stamp.read_ref(ref)
        if sent is not None and self.publisher is not None:
            at = offset_of(foreign.message_id(sent[1]))
            self.publisher.publications.accept(sent[1], time.monotonic_ns(), at)
