"""Requests that differ from the last one on their connection in their query only, as pollers send them.

The parser calls Python for each part of a head. What it found in the last one holds for the same bytes. An app may go
further, and leave somebody who answers them without a scope, a task, and messages of ASGI.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transports.uvicorn_edges.answers import WholeAnswers
from transports.uvicorn_edges.bounds import AGAIN, CONNECTION, KEPT

_LONGEST_BYTES: Final = 16_384  # half of what a head may have: no query makes it too long
_QUERY: Final = rb"[A-Za-z0-9_.~=&:%+-]{0,512}"
_HEAD: Final = re.compile(rb"(GET (/[A-Za-z0-9_.~/-]*)\?)(" + _QUERY + rb")( HTTP/1\.1\r\n.*\r\n\r\n)", re.DOTALL)
_is_query: Final = re.compile(_QUERY).fullmatch


class Again(Protocol):
    """Answers such requests of one connection in the place of the app that left it there."""

    def ask(self, query: bytes) -> bool:
        """Take one, and answer it by `LabHttpProtocol.answer_again`, now or later. False: the app is to answer it."""
        ...

    def lost(self) -> None:
        """The client has gone while its request waits."""
        ...


class Known:
    """The head of a GET, and the scope that was made of it."""

    __slots__ = ("_after", "_before", "_kept", "_scope", "cycle")

    def __init__(self, before: bytes, after: bytes, scope: HTTPScope, kept: dict[str, Any]) -> None:
        self._before, self._after = before, after
        self._scope = scope
        self._kept = kept
        self.cycle: WholeAnswers | None = None  # of all that the app does not answer

    @property
    def again(self) -> Again | None:
        """Who answers in the place of the app, if it has left somebody."""
        return self._kept.get(AGAIN)

    def query_in(self, data: bytes) -> bytes | None:
        """The query of a request that differs in nothing else; None for every other."""
        if not data.startswith(self._before) or not data.endswith(self._after):
            return None
        query = data[len(self._before) : -len(self._after)]
        return query if _is_query(query) else None

    def scope(self, query: bytes, app_state: dict[str, Any]) -> HTTPScope:
        """What the parser would make of it: an app may change its own."""
        made = self._scope.copy()
        made["query_string"] = query
        made["headers"] = list(self._scope["headers"])
        made["state"] = app_state.copy()
        return made


def known_by(protocol: HttpToolsProtocol, data: bytes) -> Known | None:
    """What `data` was, which has just been parsed, if that is one whole GET with a query and without a body, and others
    may follow. Its app keeps what it likes for those that are alike.
    """
    cycle = protocol.cycle
    if cycle is None or cycle.scope is not protocol.scope or not cycle.scope:  # not of `data`, or let go of by now
        return None
    if protocol.pipeline or cycle.waiting_for_100_continue:
        return None
    if cycle.more_body or cycle.body or not cycle.keep_alive or len(data) > _LONGEST_BYTES:
        return None
    match = _HEAD.fullmatch(data)
    if match is None or data.count(b"\r\n\r\n") > 1:
        return None
    extensions: Any = protocol.scope["extensions"]
    kept: dict[str, Any] = {}
    extensions[CONNECTION][KEPT] = kept
    scope = protocol.scope.copy()
    scope["headers"] = list(protocol.headers)
    return Known(match[1], match[4], scope, kept)
