"""The parts of an adapter: what a subscriber and a publisher say, and what they wait for. Values only.

docs/adapters.md describes every key. Patterns are regular expressions over bytes, found anywhere unless anchored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from loadtests.records.errors import AdapterError

WEBSOCKET, SSE, LONGPOLL = "websocket", "sse", "longpoll"
PROTOCOLS = (WEBSOCKET, SSE, LONGPOLL)
PLAIN, BASE64, ESCAPED = "", "base64", "escaped"

REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[!-~]*)")


def in_folder(raw: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Return what a file holds with the files that it names made absolute; `folder` is the file's."""
    made = dict(raw)
    if isinstance(verify := raw.get("tls_verify"), str):
        made["tls_verify"] = str((folder / verify).resolve())
    for part in ("subscribe", "publish"):
        said = raw.get(part)
        client = said.get("client") if isinstance(said, dict) else None
        if isinstance(said, dict) and isinstance(client, str) and ".py:" in client:
            place, _, name = client.rpartition(":")
            made[part] = {**said, "client": f"{(folder / place).resolve()}:{name}"}
    return made


def require_known(raw: Mapping[str, object], kinds: Mapping[str, type[msgspec.Struct]]) -> None:
    """Refuse keys that are not those of the file (kind of "") or of a table of it. Raises AdapterError."""
    for part, kind in kinds.items():
        said = raw.get(part) if part else raw
        known = kind.__struct_fields__
        for key in said if isinstance(said, dict) else ():
            if key not in known:
                place = f"[{part}]" if part else "the file"
                raise AdapterError(f"{place} has the unknown field `{key}`; allowed: {', '.join(known)}")


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to say or to wait for, or both: a request with its answer, or a message with the message it waits for.

    A request's answer must have a status below 400. Captures are taken from what answered or was waited for.
    """

    request: str = ""  # "POST /path"
    headers: dict[str, str] = {}
    body: str = ""
    send: str = ""  # a WebSocket message
    expect: str = ""
    capture: dict[str, str] = {}  # name -> pattern with one group

    @property
    def texts(self) -> dict[str, str]:
        """All that placeholders may stand in, by key."""
        headers = {f"headers.{name}": value for name, value in self.headers.items()}
        return {"request": self.request, **headers, "body": self.body, "send": self.send}


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server wants to hear from time to time."""

    every_s: float
    send: str


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one listens."""

    path: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""
    steps: tuple[Step, ...] = ()  # requests come before the connection that events come over, messages after it
    first_message: str = ""  # the same as a first step {send = …}
    values: dict[str, str] = {}  # what a captured name is before anything was captured
    capture: dict[str, str] = {}  # from every message, event or poll's answer: the last one counts
    answer: dict[str, str | Step] = {}  # pattern -> what to say to it: a message, or beside polls a request
    heartbeat: Heartbeat | None = None
    encoding: str = PLAIN  # of the lab's messages in what comes
    binary: bool = False  # what is sent goes in binary messages, one byte a character
    late_head: bool = False  # a stream's head comes with its first event only
    probe_path: str = ""  # long polls: asked first, since a poll is not answered before there is news
    resume_headers: dict[str, str] = {}  # long polls: header of the next request -> header of the last answer
    resumes: bool = False  # the server sends what a client missed to one that says where it was
    client: str = ""  # "file.py:Class" or "module:Class": a client of one's own

    @property
    def script(self) -> tuple[Step, ...]:
        """All steps in their order."""
        requests = tuple(step for step in self.steps if step.request)
        first = (Step(send=self.first_message),) if self.first_message else ()
        return (*requests, *first, *self.steps[len(requests) :])

    @property
    def captured(self) -> frozenset[str]:
        """Every name that is captured."""
        return frozenset(self.capture).union(*(step.capture for step in self.steps))


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one publishes: by a request, any 2xx is an acknowledgement; without a path over one's own WebSocket."""

    path: str = ""
    method: str = "POST"
    headers: dict[str, str] = {}
    body: str = "{content}"
    target: str = ""  # the base URL, where it is not the subscribers'
    steps: tuple[Step, ...] = ()  # requests, before the first publication of a connection
    in_turn: bool = False  # the next publication is sent when the one before is answered
    session: bool = False  # the publisher subscribes too, and uses what its subscription captured
    ack: str = ""  # what acknowledges: in the answer's body, or in a message of the WebSocket
    encoding: str = PLAIN  # of {content}
    client: str = ""  # as above
