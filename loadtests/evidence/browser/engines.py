"""The browsers that can be measured: found on this machine, started headless in a profile of their own, and driven.

Chromium over the Chrome DevTools Protocol, Firefox over WebDriver BiDi (W3C): commands as JSON over a WebSocket.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from loadtests.records.errors import BrowserError
from loadtests.run.process import Child

Json = dict[str, Any]

_READY_S = 30.0
_LOAD_S = 20.0
_POLL_S = 0.05
_STOP_S = 5.0
_MAX_ANSWER_BYTES = 1 << 27


class Browser(Protocol):
    """A running browser. A tab is whatever `open` returned."""

    def open(self, url: str) -> str:
        """Open a tab on `url`, in front, and return it once the page is loaded."""

    def evaluate(self, tab: str, expression: str, timeout_s: float) -> str:
        """Evaluate an expression that gives a promise of a string. Raises BrowserError with the page's own error."""

    def show(self, tab: str) -> None:
        """Bring a tab to the front; the one that was there is hidden."""

    def close(self, tab: str) -> None:
        """Close a tab."""

    def heap_bytes(self, tab: str) -> int | None:
        """The page's JavaScript heap after a garbage collection; None where the browser does not tell."""


class Remote:
    """One debugging connection; one command at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    def call(self, method: str, parameters: Json, *, timeout_s: float = 30.0, **envelope: str) -> Json:
        """Send a command and return its result. Raises BrowserError when it is refused or not answered."""
        number = next(self._ids)
        try:
            self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **envelope}))
            while True:
                answer: Json = json.loads(self._socket.recv(timeout=timeout_s))
                if answer.get("id") == number:
                    break  # events and answers to nobody are passed over
        except TimeoutError:
            raise BrowserError(f"the browser did not answer {method} within {timeout_s:g} s") from None
        except ConnectionClosed:
            raise BrowserError(f"the browser ended during {method}") from None
        if "error" in answer:
            raise BrowserError(f"the browser refused {method}: {answer.get('message') or answer['error']}")
        result: Json = answer["result"]
        return result


class Chromium:
    """See `Browser`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._sessions: dict[str, str] = {}

    def open(self, url: str) -> str:
        """See `Browser.open`."""
        tab: str = self._remote.call("Target.createTarget", {"url": url})["targetId"]
        attached = self._remote.call("Target.attachToTarget", {"targetId": tab, "flatten": True})
        self._sessions[tab] = attached["sessionId"]
        deadline_s = time.monotonic() + _LOAD_S
        loaded = "Promise.resolve(String(document.readyState === 'complete' && location.href !== 'about:blank'))"
        while time.monotonic() < deadline_s:
            # While an isolated page moves to a process of its own there is nothing to ask.
            with suppress(BrowserError):
                if self.evaluate(tab, loaded, _LOAD_S) == "true":
                    return tab
            time.sleep(_POLL_S)
        raise BrowserError(f"{url} was not loaded within {_LOAD_S:g} s")

    def evaluate(self, tab: str, expression: str, timeout_s: float) -> str:
        """See `Browser.evaluate`."""
        answer = self._remote.call(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            timeout_s=timeout_s,
            sessionId=self._sessions[tab],
        )
        if "exceptionDetails" in answer:
            raised = answer["exceptionDetails"]
            raise BrowserError(f"the page failed: {raised.get('exception', {}).get('description') or raised['text']}")
        return str(answer["result"]["value"])

    def show(self, tab: str) -> None:
        """See `Browser.show`."""
        self._remote.call("Target.activateTarget", {"targetId": tab})

    def close(self, tab: str) -> None:
        """See `Browser.close`."""
        self._remote.call("Target.closeTarget", {"targetId": tab})
        del self._sessions[tab]

    def heap_bytes(self, tab: str) -> int | None:
        """See `Browser.heap_bytes`."""
        session = self._sessions[tab]
        self._remote.call("HeapProfiler.collectGarbage", {}, sessionId=session)
        return int(self._remote.call("Runtime.getHeapUsage", {}, sessionId=session)["usedSize"])


class Firefox:
    """See `Browser`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        # The lab's servers make their own certificates.
        remote.call("session.new", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})

    def open(self, url: str) -> str:
        """See `Browser.open`."""
        tab: str = self._remote.call("browsingContext.create", {"type": "tab"})["context"]
        self._remote.call("browsingContext.navigate", {"context": tab, "url": url, "wait": "complete"})
        return tab

    def evaluate(self, tab: str, expression: str, timeout_s: float) -> str:
        """See `Browser.evaluate`."""
        answer = self._remote.call(
            "script.evaluate",
            {"expression": expression, "target": {"context": tab}, "awaitPromise": True},
            timeout_s=timeout_s,
        )
        if answer["type"] == "exception":
            raise BrowserError(f"the page failed: {answer['exceptionDetails']['text']}")
        return str(answer["result"]["value"])

    def show(self, tab: str) -> None:
        """See `Browser.show`."""
        self._remote.call("browsingContext.activate", {"context": tab})

    def close(self, tab: str) -> None:
        """See `Browser.close`."""
        self._remote.call("browsingContext.close", {"context": tab})

    def heap_bytes(self, tab: str) -> int | None:
        """See `Browser.heap_bytes`: BiDi has no such command."""
        return None


@dataclass(frozen=True, slots=True)
class Engine:
    """How to find, start and speak to one kind of browser."""

    name: str
    programs: tuple[str, ...]
    arguments: tuple[str, ...]  # {profile} stands for the profile's folder
    listening: str  # pattern in the log; group 1 is the debugging address
    path: str  # appended to the address
    speak: Callable[[Remote], Browser]

    def program(self) -> str | None:
        """The program's path, or None when it is not installed."""
        return next((found for name in self.programs if (found := shutil.which(name))), None)

    def version(self) -> str:
        """What the program says of itself. Raises BrowserError when it is missing."""
        done = subprocess.run(  # noqa: S603  # a program of the fixed list below
            (self._needed(), "--version"), capture_output=True, text=True, timeout=_READY_S, check=False
        )
        return done.stdout.strip() or "unknown"

    @contextmanager
    def started(self, log: Path) -> Iterator[Browser]:
        """Run the browser while entered. Raises BrowserError."""
        with TemporaryDirectory(prefix="rtlab-", ignore_cleanup_errors=True) as profile:
            arguments = [argument.format(profile=profile) for argument in self.arguments]
            child = Child([self._needed(), *arguments], log=log, environment=os.environ)
            try:
                with ExitStack() as stack:
                    address = self._address(child) + self.path
                    socket = stack.enter_context(connect(address, max_size=_MAX_ANSWER_BYTES, proxy=None))
                    yield self.speak(Remote(socket))
            finally:
                child.stop(_STOP_S)

    def _needed(self) -> str:
        program = self.program()
        if program is None:
            raise BrowserError(f"{self.name} is not installed; looked for {', '.join(self.programs)}")
        return program

    def _address(self, child: Child) -> str:
        deadline_s = time.monotonic() + _READY_S
        while time.monotonic() < deadline_s:
            if (
                found := re.search(self.listening, child.log.read_text(encoding="utf-8", errors="replace"))
            ) is not None:
                return found[1]
            if child.exit_code() is not None:
                raise BrowserError(f"{self.name} ended at once (exit code {child.exit_code()}): {child.last_line()}")
            time.sleep(_POLL_S)
        raise BrowserError(f"{self.name} was not ready within {_READY_S:g} s: {child.last_line()}")


def _sandbox() -> tuple[str, ...]:
    # Chromium refuses to sandbox itself for root; the pages it opens here are our own.
    return ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


ENGINES = (
    Engine(
        "chromium",
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        (
            *_sandbox(), "--headless=new", "--remote-debugging-port=0", "--user-data-dir={profile}", "--no-first-run",
            "--no-proxy-server", "--disable-extensions",
            "--ignore-certificate-errors",  # the lab's servers make their own
            "about:blank",
        ),
        r"DevTools listening on (ws://\S+)",
        "",
        Chromium,
    ),
    Engine(
        "firefox",
        ("firefox-esr", "firefox"),
        ("--headless", "--no-remote", "--profile", "{profile}", "--remote-debugging-port=0", "about:blank"),
        r"WebDriver BiDi listening on (ws://\S+)",
        "/session",
        Firefox,
    ),
)  # fmt: skip
"""In the order they are measured."""
