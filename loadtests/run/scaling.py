"""Scaling out: what may be asked of `--redis` and `--instances`, and whether that Redis is there.

The lab itself needs no Redis library: it says PING over a plain socket once, before the first cell.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from loadtests.records.errors import LabError, UsageError

MAX_INSTANCES = 64  # as many as the servers take
DEFAULT_INSTANCES = 2
DEFAULT_PORT = 6379
_ALLOWED = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] is allowed"
_TIMEOUT_S = 2.0
_LONGEST_REPLY_BYTES = 512
_CREDENTIALS = re.compile(r"//.*@|[?#].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Servers of several processes that share their rooms in one Redis."""

    redis_url: str = field(repr=False)  # may hold a password
    instances: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the server's command line gets."""
        return "--redis", self.redis_url, "--instances", str(self.instances)

    def recorded(self) -> dict[str, str | int]:
        """Return what the manifest holds: no user, no password."""
        return {"redis_url": without_credentials(self.redis_url), "instances": self.instances}


def asked(redis_url: str | None, instances: int | None) -> Scaling | None:
    """Return what the command line asks for, None for nothing; UsageError where it can't be had."""
    if redis_url is None:
        if instances is not None:
            raise UsageError(
                f"--instances {instances} needs --redis URL: without it each process would have rooms of its own"
            )
        return None
    count = DEFAULT_INSTANCES if instances is None else instances
    if not 1 <= count <= MAX_INSTANCES:
        raise UsageError(f"--instances {count}: 1 to {MAX_INSTANCES} is allowed")
    _split(redis_url)
    return Scaling(redis_url, count)


def without_credentials(url: str) -> str:
    """Return the URL without what may be secret in it: user, password, query."""
    return _CREDENTIALS.sub(lambda found: "//" if found[0].startswith("//") else "", url)


def require_redis(redis_url: str, timeout_s: float = _TIMEOUT_S) -> None:
    """Log in, select the database and say PING; LabError unless all of it is answered as it should be."""
    shown = without_credentials(redis_url)
    parts = _split(redis_url)
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or DEFAULT_PORT), timeout_s) as connection,
            connection.makefile("rb") as replies,
        ):
            for words in _greeting(parts):
                connection.sendall(_encoded(words))
                reply = replies.readline(_LONGEST_REPLY_BYTES)
                if reply.strip() not in (b"+OK", b"+PONG"):
                    answer = reply.decode("utf-8", errors="replace").strip() or "nothing"
                    raise LabError(f"the Redis at {shown} can't be used: to {words[0]} it answered {answer!r}")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LabError(f"the Redis at {shown} does not answer: {reason}") from None


def _split(url: str) -> SplitResult:
    """Return the URL's parts; UsageError unless it is one of a Redis over TCP."""
    try:
        parts = urlsplit(url)
        well_formed = bool(parts.scheme == "redis" and parts.hostname and parts.port != 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        well_formed = False
    if not well_formed or parts.query or parts.fragment or not re.fullmatch(r"(/\d{0,4})?", parts.path, re.ASCII):
        raise UsageError(f"--redis {without_credentials(url)!r}: {_ALLOWED}")
    return parts


def _greeting(parts: SplitResult) -> list[tuple[str, ...]]:
    """Return the commands that tell whether this URL can be worked with."""
    commands: list[tuple[str, ...]] = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        commands.append(("AUTH", *user, unquote(parts.password)))
    if parts.path.strip("/"):
        commands.append(("SELECT", parts.path.strip("/")))
    return [*commands, ("PING",)]


def _encoded(words: tuple[str, ...]) -> bytes:
    """Return a command as RESP's array of bulk strings."""
    encoded = [word.encode() for word in words]
    return b"".join([b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)])
