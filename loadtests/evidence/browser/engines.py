"""The browsers that can be measured: found on this machine, started headless in a profile of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from websockets.sync.client import connect

from loadtests.evidence.browser.drivers import Chromium, Firefox, Remote
from loadtests.records.errors import BrowserError
from loadtests.run.process import Child

_READY_S = 30.0
_POLL_S = 0.05
_STOP_S = 5.0
_MAX_ANSWER_BYTES = 1 << 27


class Browser(Protocol):
    """A running browser. A tab is whatever `open` returned."""

    def open(self, url: str) -> str:
        """Open a tab on `url`, in front, and return it once the page is loaded."""
        ...

    def evaluate(self, tab: str, expression: str, timeout_s: float) -> str:
        """Evaluate an expression that gives a promise of a string. Raises BrowserError with the page's own error."""
        ...

    def show(self, tab: str) -> None:
        """Bring a tab to the front; the one that was there is hidden."""
        ...

    def close(self, tab: str) -> None:
        """Close a tab."""
        ...

    def heap_bytes(self, tab: str) -> int | None:
        """The page's JavaScript heap after a garbage collection; None where the browser does not tell."""
        ...


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
