"""Questions to servers by HTTP, also to each process of a server that has several.

For each connection the kernel chooses the process that answers. So a question goes out on fresh connections until every
process has answered; questions that belong together go over one connection, which stays with its process.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Set as AbstractSet

import msgspec

from loadtests.load.clients.tls import client_context
from loadtests.records.errors import ServerError
from loadtests.run import procfs

_TIMEOUT_S = 10.0
_HTTP_TIMEOUT_S = 2.0
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
        http.client.HTTPConnection(host, port, timeout=_HTTP_TIMEOUT_S)
        if context is None
        else http.client.HTTPSConnection(host, port, timeout=_HTTP_TIMEOUT_S, context=context)
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
