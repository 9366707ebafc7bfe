"""TLS between a socket and its client, by OpenSSL's memory buffers: the socket stays raw and keeps its stamps."""

from __future__ import annotations

import ipaddress
import ssl

from loadtests.load.clients.base import ProtocolError

HTTP1 = "http/1.1"


def client_context(host: str, alpn: str, verify: bool | str = True) -> ssl.SSLContext:
    """A context that asks for `alpn`; it trusts whoever answers on this machine or a private network.

    There a server under measurement has a certificate that it made at its start. Anywhere else it must have a real one:
    what the lab sends first is a token. With `verify` False any certificate will do, anywhere; with the file of a CA it
    must be that CA's, anywhere. Raises OSError for a file that can't be read.
    """
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    context.set_alpn_protocols([alpn])
    if verify is False or (verify is True and _is_near(host)):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private  # 127.0.0.0/8 and ::1 are
    except ValueError:
        return host == "localhost"


class TlsPipe:
    """One connection's TLS: what is said before the handshake is over is said after it."""

    __slots__ = ("_alpn", "_early", "_established", "_incoming", "_outgoing", "_tls")

    def __init__(self, context: ssl.SSLContext, host: str, alpn: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._alpn = alpn
        self._early = b""
        self._established = False

    def send(self, plain: bytes) -> bytes:
        """Encrypt; returns what is to be sent now, handshake included. Raises ProtocolError."""
        self._early += plain
        self._go_on()
        return self._outgoing.read()

    def receive(self, data: bytes) -> bytes:
        """Decrypt; `take_outgoing` has what TLS itself answers. Raises ProtocolError."""
        self._incoming.write(data)
        self._go_on()
        if not self._established:
            return b""
        parts = []
        try:
            while part := self._tls.read(65_536):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except ssl.SSLZeroReturnError:
            pass  # the peer says that this was all; the socket's end tells the client
        except ssl.SSLError as error:
            raise ProtocolError(f"TLS: {error}") from error
        return b"".join(parts)

    def take_outgoing(self) -> bytes:
        """Take what TLS itself has to send."""
        return self._outgoing.read()

    def _go_on(self) -> None:
        try:
            if not self._established:
                self._tls.do_handshake()
                self._established = True
                agreed = self._tls.selected_alpn_protocol() or HTTP1  # who names none speaks that, as uvicorn does
                if agreed != self._alpn:
                    raise ProtocolError(f"the server speaks {agreed}; {self._alpn} is needed")
            if self._early:
                early, self._early = self._early, b""
                self._tls.write(early)
        except ssl.SSLWantReadError:
            pass  # the handshake's next flight is on its way
        except ssl.SSLError as error:
            raise ProtocolError(f"TLS: {error}") from error
