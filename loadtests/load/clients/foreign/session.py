"""What one user of a foreign server knows: the values of placeholders, what it captured, and the step it is at."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache

from loadtests.load.clients.base import Access
from loadtests.load.clients.http import Answer
from loadtests.records import placeholders
from loadtests.records.adapter import Adapter, Step

_LINE_BREAKS = re.compile(r"[\r\n]+")

SENT, CAME = ">", "<"
Listener = Callable[[str, bytes], None]
"""Is shown what is sent and what comes, each whole request, answer, message or event."""


@cache
def pattern(text: str) -> re.Pattern[bytes]:
    """Return an adapter's regular expression over bytes."""
    return re.compile(text.encode())


class Session:
    """One subscription's values, over all its connections; `kept` is what it captured along the way.

    What was kept of an earlier subscription counts before what the steps of this one capture: it says where that one
    was, as a `Last-Event-ID` does.
    """

    __slots__ = ("kept", "listener", "seq", "values")

    def __init__(self, adapter: Adapter, access: Access, user: int = 0, kept: Mapping[str, str] | None = None) -> None:
        self.kept = dict(kept or {})
        self.seq = 0
        self.listener: Listener | None = None
        own = {"room": access.room, "token": access.token, "user": str(user), "random": secrets.token_hex(8)}
        self.values = own | adapter.subscribe.values | self.kept

    def count(self) -> None:
        """Begin the next message or request: `{seq}` is its number."""
        self.seq += 1
        self.values["seq"] = str(self.seq)

    def fill(self, template: str) -> str:
        """Return the template with all placeholders but `{content}` filled in."""
        return placeholders.filled(template, self.values) if "{" in template else template

    def capture(self, captures: Mapping[str, str], body: bytes, head: bytes = b"", *, keep: bool = False) -> str:
        """Take the last match of each pattern in the body, or else in the head.

        Return the first name without a value: it is in neither, and has none from the start.
        """
        missing = ""
        for name, text in captures.items():
            matches = pattern(text).findall(body) or pattern(text).findall(head)
            if not matches:
                missing = missing or ("" if name in self.values else name)
            elif keep or name not in self.kept:
                self.values[name] = _LINE_BREAKS.sub(" ", matches[-1].decode("utf-8", "replace"))
                if keep:
                    self.kept[name] = self.values[name]
        return missing

    def show(self, direction: str, data: bytes) -> None:
        """Let whoever listens see what is sent or came."""
        if self.listener is not None:
            self.listener(direction, data)

    def show_answer(self, answer: Answer) -> None:
        """Let whoever listens see an answer; it is put together again for them only."""
        if self.listener is not None:
            self.listener(CAME, answer.head.raw + b"\r\n\r\n" + answer.body)


class Script:
    """Steps that are taken one after the other, over as many connections as the server makes of them."""

    __slots__ = ("_at", "_steps", "last", "session")

    def __init__(self, steps: tuple[Step, ...], session: Session) -> None:
        self._steps = steps
        self.session = session
        self._at = 0
        self.last = b""  # what came last, and was not what was expected

    @property
    def step(self) -> Step | None:
        """The step to take; None once all are taken."""
        return self._steps[self._at] if self._at < len(self._steps) else None

    @property
    def asks(self) -> bool:
        """Whether a request comes next."""
        return self.step is not None and bool(self.step.request)

    def sent(self) -> None:
        """Take note that the step's message was sent; a step that expects nothing is over."""
        if self.step is not None and not self.step.expect:
            self._at += 1

    def came(self, body: bytes, head: bytes = b"") -> bool:
        """Take what may be what the step waits for: an answer, a message or an event; return whether it is."""
        step = self.step
        if step is None:
            return False
        if step.expect and not (pattern(step.expect).search(body) or pattern(step.expect).search(head)):
            self.last = body
            return False
        if self.session.capture(step.capture, body, head):
            self.last = body
            return False
        self._at += 1
        self.last = b""
        return True

    @property
    def lacks(self) -> str:
        """Say what the step waits for, and what came instead; empty once all are taken."""
        step = self.step
        if step is None:
            return ""
        wanted = " and ".join(f"/{text}/" for text in (step.expect, *step.capture.values()) if text)
        last = f"; the last was {self.last[:200].decode('utf-8', 'replace')!r}" if self.last else "; none came"
        return f"step {self._at + 1}: nothing matched {wanted or 'any answer'}{last}"
