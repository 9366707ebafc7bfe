"""A user's connection: its end is reported by the peer's last message, also while the user sends."""

from __future__ import annotations

import socket
import time

import gevent
import pytest

from loadtests.evidence.calibration.trial import describe_cell
from loadtests.load.clients.base import Access, Closed, ConnectFailed, Endpoint
from loadtests.load.clients.foreign import ForeignPublishClient
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.users.connection import UserConnection
from loadtests.load.users.generator import open_cell
from loadtests.load.users.hub import Inbox, Readers
from loadtests.load.users.raw_user import RawUser
from loadtests.load.users.transports import load_user_class
from loadtests.records.adapter import Adapter, Publish, Subscribe
from loadtests.records.cell_spec import Load

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
        connection = UserConnection(
            client,
            RealtimeOffset(),
            readers,
            inbox,
            lambda arrivals, kernel_ns, user_ns: answered.extend(event.ref for event, _ in arrivals),
            ended.append,
        )
        connection.open((socket.AF_INET, where), 5.0)
        peer, _ = listener.accept()
        connection.send(client.publish("a", "0.0"))
        peer.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.close()  # with a request unread: a reset follows the answer
        for message in (1, 2):
            connection.send(client.publish("b", f"0.{message}"))
        deadline_s = time.monotonic() + 10
        while not ended and time.monotonic() < deadline_s:
            gevent.sleep(0.001)
    readers.close()
    inbox.close()
    assert answered == ["0.0"]
    assert ended == [Closed(200, "connection closed after an answer")]
    assert client.take_back() == [("b", "0.1"), ("b", "0.2")]


def test_a_host_of_several_addresses_is_reached_at_the_one_that_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        deaf, listening = (socket.AF_INET, ("127.0.0.2", port)), (socket.AF_INET, ("127.0.0.1", port))
        spec = describe_cell("SseUser", port, Load(name="1x1", subscribers=1, rate_per_s=1.0))
        cell, environment = open_cell(spec)
        monkeypatch.setattr(cell, "_addresses", {cell.endpoint: (deaf, listening)})
        user = load_user_class("SseUser")(environment)
        assert isinstance(user, RawUser)
        connection = user.new_connection(user.new_client(), user.record, lambda closed: None)
        user.connect(connection, 5.0)
        connection.close()
        assert cell.addresses(cell.endpoint) == (listening, deaf), "the next one need not be refused first"
        listener.close()
        refused = r"cannot connect to 127\.0\.0\.1:.*refused; cannot connect to 127\.0\.0\.2:.*refused"
        with pytest.raises(ConnectFailed, match=refused):
            user.connect(user.new_connection(user.new_client(), user.record, lambda closed: None), 5.0)
        cell.close()


@pytest.mark.parametrize("user_class", ["WebSocketUser", "SocketIoUser"])
def test_nothing_is_published_on_a_connection_before_its_welcome(user_class: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        cell, environment = open_cell(describe_cell(user_class, port, Load(name="1x1", subscribers=1, rate_per_s=1.0)))
        user = load_user_class(user_class)(environment)
        assert isinstance(user, RawUser)
        user.connection = user.new_connection(user.new_client(), user.record, lambda closed: None)
        user.connect(user.connection, 5.0)
        server_side, _ = listener.accept()
        opening = server_side.recv(1 << 16)
        user.publish("text", "ref")
        user.leave()
        with server_side:
            assert server_side.recv(1 << 16) == b"", "an upgrade alone was sent"
        assert opening.startswith(b"GET ")
        assert cell.errors == {f"{user.label} publication not sent: not connected": 1}
        cell.close()
