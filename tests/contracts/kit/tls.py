"""TLS of the tests: a certificate for this machine in files, and clients that take it without a look."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transports.certificate import make


def taking_any() -> ssl.SSLContext:
    """A client's. It does not load the machine's certificates, which takes longer than many a test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


TLS = taking_any()
"""Of all clients but those that ask for a protocol of their own. Servers under test make their own."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a certificate and its key, PEM."""

    certfile: Path
    keyfile: Path

    def context(self) -> ssl.SSLContext:
        """A server's, as uvicorn makes it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certfile, self.keyfile)
        return context


def made_pair(folder: Path) -> Pair:
    """Make a pair in a folder."""
    pair = Pair(folder / "certificate.pem", folder / "key.pem")
    for path, text in zip((pair.certfile, pair.keyfile), make(datetime.now(UTC)), strict=True):
        path.write_bytes(text)
    return pair


def tls_for(address: str) -> ssl.SSLContext | None:
    """What a client of an address connects by: None where it is plain."""
    return TLS if address.startswith(("https", "wss")) else None


def end_sending(writer: asyncio.StreamWriter) -> None:
    """Send nothing more, and go on reading. TLS of asyncio has no half-close: the TCP below it is ended."""
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
