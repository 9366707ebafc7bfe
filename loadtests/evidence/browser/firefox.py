"""Firefox over WebDriver BiDi (W3C)."""

from __future__ import annotations

from loadtests.evidence.browser.remote import Remote
from loadtests.records.errors import BrowserError


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
