"""Client programs as child processes that speak one JSON object a line, and npm packages to run them with."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.contracts.kit.events import parse_object
from tests.contracts.kit.limits import EVENT_S, GONE_S

_NODE_FOLDER = Path(__file__).parent / "node"
_INSTALL_S = 120
_LINE_MAX_BYTES = 1 << 20


class Program:
    """A child process. Its standard input closes to end it; SIGKILL is the last resort."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_MAX_BYTES,
        )

    async def line(self, timeout_s: float = EVENT_S) -> bytes:
        """The next line of its output. Raises EOFError with what it said on standard error."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self.process.stdout.readline()
            if not line:
                assert self.process.stderr is not None
                raise EOFError((await self.process.stderr.read()).decode(errors="replace"))
        return line

    async def value(self) -> dict[str, object]:
        """The next JSON object of its output."""
        return parse_object(await self.line())

    async def value_of_type(self, kind: str) -> dict[str, object]:
        """The next JSON object of this `type`; joins, leaves and the like are passed over."""
        while (value := await self.value()).get("type") != kind:
            pass
        return value

    async def say(self, value: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        await self.process.stdin.drain()

    async def aclose(self) -> None:
        if self._process is None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(1):
                await self.process.communicate()
        except TimeoutError:
            # curl, for one, does not look at its standard input.
            self.process.kill()
            await self.process.communicate()


def node_folder() -> Path:
    """A folder outside the repository that holds the pinned npm packages and our scripts.

    Raises FileNotFoundError without node or npm, RuntimeError when the installation fails.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise FileNotFoundError("node with npm")
    lock = (_NODE_FOLDER / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "rtlab" / f"node-clients-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    for source in _NODE_FOLDER.iterdir():
        shutil.copy(source, folder)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm ci failed: {done.stderr}")
    return folder


def run(*command: str) -> str:
    """Run a program to its end; its output. Raises CalledProcessError."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=GONE_S, check=True)
    return done.stdout
