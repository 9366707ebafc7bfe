"""HTTP/1.x below every client library: bytes out, the answer's bytes in, so that what no library would send is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.contracts.kit.events import parse_object
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.server import ServerProcess


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """The first response on a connection: its head, and what came behind it, framing included."""

    head: bytes
    rest: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        fields = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        return [value.strip().decode() for field, _, value in fields if field.lower() == name.encode()]

    @property
    def code(self) -> object:
        """The code of the error in its body, which is the contract's."""
        assert self.all("content-type") == ["application/json"], self
        error = parse_object(self.rest)
        assert error["type"] == "error"
        return error["code"]


def request(line: str, *fields: str, host: str = "127.0.0.1", token: str = "", body: bytes = b"") -> bytes:
    """A request by its line and fields; of HTTP/1.1 if the line does not say, with a Host if there is one."""
    lines = [line if " HTTP/" in line else f"{line} HTTP/1.1"]
    lines += [f"Host: {host}"] if host else []
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1") + body


async def answer_to(server: ServerProcess, *said: bytes, until: bytes | None = b"", fin: bool = False) -> RawAnswer:
    """Say something, and read a response: its head, and its body if `until` is in that; to the end if that is None.

    With `fin` our side of the connection ends behind what is said. Raises TimeoutError, EOFError.
    """
    reader, writer = await server.open_connection()
    try:
        async with asyncio.timeout(EVENT_S):
            writer.writelines(said)
            if fin:
                writer.write_eof()
            head = await reader.readuntil(b"\r\n\r\n")
            rest = b""
            while until is None or (until and not (until in rest and _has_come(head, rest))):
                data = await reader.read(65_536)
                if not data and until is not None:
                    raise EOFError(head + rest)
                if not data:
                    break
                rest += data
        return RawAnswer(head, rest)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def _has_come(head: bytes, rest: bytes) -> bool:
    """Whether what the length announces is there."""
    lengths: Sequence[str] = RawAnswer(head, rest).all("content-length")
    return not lengths or len(rest) >= int(lengths[0])
