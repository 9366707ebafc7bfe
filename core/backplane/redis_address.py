"""Where Redis is, and how a connection to it begins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

from core.backplane.redis_wire import Wire

CONNECT_S: Final = 2.5  # names, TCP and TLS: three round trips and more

_SCHEMES: Final = ("redis", "rediss", "unix")
_OPTIONS: Final = ("db", "username", "password")
_TLS_OPTIONS: Final = (
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_password",
    "ssl_check_hostname",
)
_FORM: Final = "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] is allowed, with special characters percent-encoded"


class Address:
    """Where Redis is, by URL: `redis://`, `rediss://` or `unix://`. Raises ValueError, without the password."""

    def __init__(self, url: str) -> None:
        options = _options(url)
        self.tls = urlsplit(url).scheme == "rediss"
        self.database: int = options.pop("db", 0)
        self._user: str = options.pop("username", "")
        self._password: str = options.pop("password", "")
        # redis-py reads the URL; the connection is a `Wire`.
        probe: AbstractConnection = options.pop("connection_class", Connection)(**options)
        self.name = probe._host_error() + f"/{self.database}" + (f" as {self._user}" if self._user else "")
        if isinstance(probe, SSLConnection):
            try:
                probe.ssl_context.get()
            except OSError as error:  # no such file, or none that holds what it should
                raise ValueError(f"a file that the URL's TLS options name cannot be used: {error}") from error
        self._path: str | None = probe.path if isinstance(probe, UnixDomainSocketConnection) else None
        self._place: Mapping[str, Any] = probe._connection_arguments() if isinstance(probe, Connection) else {}

    def opening(self, *, select: bool) -> list[tuple[Any, ...]]:
        """The commands that a new connection begins with, each answered by OK."""
        commands: list[tuple[Any, ...]] = []
        if self._user or self._password:
            commands.append(("AUTH", self._user, self._password) if self._user else ("AUTH", self._password))
        if select and self.database:
            commands.append(("SELECT", self.database))
        return commands

    def explain(self, error: BaseException) -> str:
        """The words of an error on the way to Redis, with the cure where they hide it."""
        words = str(error) or type(error).__name__
        if self.tls and ("SSL" in words or isinstance(error, TimeoutError)):
            return f"{words} (rediss:// needs a port with TLS, and a certificate that this machine trusts)"
        if not self.tls and "closed by server" in words:
            return f"{words} (a port with TLS needs rediss://)"
        return words

    async def connect(self) -> Wire:
        """Open a connection. Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                if self._path is None:
                    _, wire = await loop.create_connection(Wire, **self._place)
                else:
                    _, wire = await loop.create_unix_connection(Wire, self._path)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {CONNECT_S:g} s") from error
        return wire


def _options(url: str) -> dict[str, Any]:
    scheme = url.partition(":")[0]
    if scheme not in _SCHEMES or "://" not in url:
        raise ValueError(
            f"the URL does not begin with a scheme that is allowed: {', '.join(f'{s}://' for s in _SCHEMES)}"
        )
    parts = urlsplit(url)
    allowed = _OPTIONS + (_TLS_OPTIONS if scheme == "rediss" else ())
    for name in parse_qs(parts.query, keep_blank_values=True):
        if name not in allowed:
            raise ValueError(f"the option {name!r} in the URL is not allowed: {', '.join(allowed)} are ({scheme}://)")
    database = parts.path.strip("/")
    if scheme != "unix" and database and not database.isdecimal():
        raise ValueError(f"the URL's database is not a number: {_FORM}")
    if parts.fragment:
        raise ValueError(f"the URL has a '#': {_FORM}")
    try:
        return dict(parse_url(url))
    except ValueError as error:  # its words may hold part of a password
        raise ValueError(f"the URL's port, or the value of an option, cannot be read: {_FORM}") from error
