"""TLS without a socket: two pipes of bytes between a client and a server of the lab's own."""

from __future__ import annotations

import ssl

import pytest

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.tls import TlsPipe, client_context
from transports.certificate import server_context


class Peer:
    """The server's end, which keeps what it receives."""

    def __init__(self, alpn: tuple[str, ...] = ("h2", "http/1.1")) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server_context(None, None, alpn).wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.received = b""

    def take(self, data: bytes) -> bytes:
        self.incoming.write(data)
        try:
            self.tls.do_handshake()
            while part := self.tls.read(65_536):
                self.received += part
                self.tls.write(part)
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


def pipe(alpn: str = "h2", host: str = "127.0.0.1") -> TlsPipe:
    return TlsPipe(client_context(host, alpn), host, alpn)


def talk(client: TlsPipe, peer: Peer, to_send: bytes) -> bytes:
    """Carry bytes to and fro until nobody has anything to say; what the client received."""
    received = b""
    while to_send and (answer := peer.take(to_send)):
        received += client.receive(answer)
        to_send = client.take_outgoing()
    return received


def test_what_is_said_before_the_handshake_arrives_after_it() -> None:
    client, peer = pipe(), Peer()
    assert talk(client, peer, client.send(b"early")) == b"early"
    assert talk(client, peer, client.send(b"late")) == b"late"
    assert peer.received == b"earlylate"


def test_a_record_in_parts_is_received_when_it_is_whole() -> None:
    client, peer = pipe(), Peer()
    talk(client, peer, client.send(b"hello"))
    record = peer.take(client.send(b"x" * 1000))
    assert client.receive(record[:100]) == b""
    assert client.receive(record[100:]) == b"x" * 1000


def test_another_protocol_than_asked_for_is_refused() -> None:
    client, peer = pipe("spdy/3"), Peer()
    with pytest.raises(ProtocolError, match="spdy/3 is needed"):
        talk(client, peer, client.send(b"hello"))


def test_a_server_that_names_no_protocol_speaks_http_1_and_no_other() -> None:
    client, peer = pipe("http/1.1"), Peer(())
    assert talk(client, peer, client.send(b"hello")) == b"hello"
    client = pipe("h2")
    said = client.send(b"hello")
    with pytest.raises(ProtocolError, match=r"the server speaks http/1\.1; h2 is needed"):
        talk(client, Peer(()), said)


def test_bytes_that_are_no_tls_break_the_protocol() -> None:
    client = pipe()
    client.send(b"hello")
    with pytest.raises(ProtocolError, match="TLS"):
        client.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_stranger_needs_a_certificate_that_somebody_vouches_for() -> None:
    client, peer = pipe(host="example.org"), Peer()
    with pytest.raises(ProtocolError, match=r"certificate"):
        talk(client, peer, client.send(b"a token"))
    assert peer.received == b""
    assert client_context("10.1.2.3", "h2").verify_mode is ssl.CERT_NONE
    assert client_context("8.8.8.8", "h2").verify_mode is ssl.CERT_REQUIRED
