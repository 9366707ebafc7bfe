"""Asking each process of a server that is several: which one answers is the kernel's choice, connection by connection.

So a question goes out on fresh connections until everybody has been met. What belongs together is asked on one
connection, which stays with one process as long as it lives.
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


def connection(host: str, port: int, timeout_s: float, *, tls: bool) -> http.client.HTTPConnection:
    """Return a connection, not yet open, to a server that the lab started; with `tls` its certificate is its own."""
    if tls:
        context = client_context(host, "http/1.1")
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


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
                f"only {len(found)} of {len(instances)} instances told their deliveries within {timeout_s:g} s"
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
    """Return id and deliveries of whoever answers; None when nobody does, or not both questions."""
    with contextlib.closing(connection(host, port, _HTTP_TIMEOUT_S, tls=tls)) as asked:
        try:
            asked.connect()
            # Connecting again by itself could reach another instance for the second question.
            asked.auto_open = 0
            instance = name(_body(asked, "/health"))
            text = _body(asked, "/metrics").decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException):
            return None
    # A labelled metric has no line until its first value: absent is nought.
    return instance, int(procfs.metric_total(text, _DELIVERIES) or 0)


def _body(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise http.client.HTTPException(f"{path} answered {response.status}")
    return body
