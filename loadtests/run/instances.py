"""Servers of several processes: what may be asked of `--redis` and `--instances`, and questions to each by HTTP.

For each connection the kernel chooses the process that answers. So a question goes out on fresh connections until every
process has answered; questions that belong together go over one connection, which stays with its process.

The lab itself needs no Redis library: it says PING over a plain socket once, before the first cell.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from loadtests.load.clients.tls import client_context
from loadtests.records.errors import LabError, ServerError, UsageError
from loadtests.run import procfs

_TIMEOUT_S = 10.0
_ANSWER_S = 2.0
_POLL_S = 0.005
_DELIVERIES = "rtlab_deliveries_total"


class _Health(msgspec.Struct):
    instance: str = ""


def name(health: bytes) -> str:
    """Return the id of the instance that gave this answer to `/health`; empty if it names none."""
    try:
        return msgspec.json.decode(health, type=_Health).instance
    except msgspec.MsgspecError:
        return ""


def answers(host: str, port: int, *paths: str, tls: bool = False) -> list[tuple[int, bytes]]:
    """Return status and body of a GET of each path; OSError when the server can't be reached.

    All of them go over one connection, hence to one process. With `tls` the server's certificate is its own.
    """
    context = client_context(host, "http/1.1") if tls else None
    opened = (
        http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
        if context is None
        else http.client.HTTPSConnection(host, port, timeout=_ANSWER_S, context=context)
    )
    found: list[tuple[int, bytes]] = []
    with contextlib.closing(opened):
        try:
            opened.connect()
            opened.auto_open = 0  # connecting once more by itself could reach another process
            for path in paths:
                opened.request("GET", path)
                response = opened.getresponse()
                found.append((response.status, response.read()))
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer: {error!r}") from error
    return found


def deliveries(
    host: str, port: int, instances: AbstractSet[str], timeout_s: float = _TIMEOUT_S, *, tls: bool = False
) -> dict[str, int]:
    """Return how many events each of the `instances` has delivered since it started, in the order of their ids.

    ServerError when one of them is not met in time, or when there is one that was not there before: one has died.
    """
    found: dict[str, int] = {}
    until_s = time.monotonic() + timeout_s
    while len(found) < len(instances):
        if time.monotonic() > until_s:
            raise ServerError(
                f"only {len(found)} of {len(instances)} instances reported their deliveries within {timeout_s:g} s"
            )
        answered = _ask(host, port, tls=tls)
        if answered is None or answered[0] in found:
            time.sleep(_POLL_S)
            continue
        instance, count = answered
        if instance not in instances:
            raise ServerError("an instance of the server ended while it was measured, and another took its place")
        found[instance] = count
    return dict(sorted(found.items()))


def _ask(host: str, port: int, *, tls: bool) -> tuple[str, int] | None:
    """Return id and deliveries of the instance that answers; None when none does, or not both questions."""
    try:
        (healthy, health), (readable, metrics) = answers(host, port, "/health", "/metrics", tls=tls)
    except OSError:
        return None
    if (healthy, readable) != (http.client.OK, http.client.OK):
        return None
    # A labelled metric has no line until its first value: absent is nought.
    return name(health), int(procfs.metric_total(metrics.decode("utf-8", errors="replace"), _DELIVERIES) or 0)


MAX_INSTANCES = 64  # as many as the servers take
DEFAULT_INSTANCES = 2
DEFAULT_PORT = 6379
_ALLOWED = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] is allowed"
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


def require_redis(redis_url: str, timeout_s: float = _ANSWER_S) -> None:
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
