"""A connection as users hold it: the end is what the peer said last, whatever one was sending."""

from __future__ import annotations

import socket
import time

import gevent

from loadtests.adapters.adapter import Adapter, Publish, Subscribe
from loadtests.clients.clock import RealtimeOffset
from loadtests.clients.errors import Closed
from loadtests.clients.foreign import ForeignPublishClient
from loadtests.clients.http import Access, Endpoint
from loadtests.users.inbox import Inbox
from loadtests.users.link import Link
from loadtests.users.readers import Readers

ADAPTER = Adapter(
    name="mine", about="", protocol="sse", subscribe=Subscribe(path="/in"), publish=Publish(path="/out")
)  # fmt: skip


def test_what_the_server_said_last_is_read_although_a_send_failed() -> None:
    answered: list[str] = []
    ended: list[Closed] = []
    readers, inbox = Readers(), Inbox()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = ("127.0.0.1", listener.getsockname()[1])
        client = ForeignPublishClient(ADAPTER, Access(Endpoint(*where), "r", ""))
        link = Link(
            client,
            RealtimeOffset(),
            readers,
            inbox,
            lambda arrivals, kernel_ns, user_ns: answered.extend(event.ref for event, _ in arrivals),
            ended.append,
        )
        link.open((socket.AF_INET, where), 5.0)
        peer, _ = listener.accept()
        link.send(client.publish("a", "0.0"))
        peer.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.close()  # with a request unread: a reset follows the answer
        for message in (1, 2):
            link.send(client.publish("b", f"0.{message}"))
        deadline_s = time.monotonic() + 10
        while not ended and time.monotonic() < deadline_s:
            gevent.sleep(0.001)
    readers.close()
    inbox.close()
    assert answered == ["0.0"]
    assert ended == [Closed(200, "connection closed after an answer")]
    assert client.take_back() == [("b", "0.1"), ("b", "0.2")]
