"""Chromium over the Chrome DevTools Protocol, Firefox over WebDriver BiDi (W3C): commands as JSON over a WebSocket."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from loadtests.records.errors import BrowserError

Json = dict[str, Any]

_LOAD_S = 20.0
_POLL_S = 0.05


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
    """See `engines.Browser`."""

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
    """See `engines.Browser`."""

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
