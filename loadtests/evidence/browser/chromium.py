"""Chromium over the Chrome DevTools Protocol."""

from __future__ import annotations

import time
from contextlib import suppress

from loadtests.evidence.browser.remote import Remote
from loadtests.records.errors import BrowserError

_LOAD_S = 20.0
_POLL_S = 0.05


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
