"""A Redis that is killed, stopped, emptied and started again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.contracts.kit.limits import READY_S
from tests.contracts.kit.server import free_port


class MortalRedis:
    """One Redis on one port and folder, through all its lives. With `aof` it keeps what it acknowledged."""

    def __init__(self, program: str, folder: Path, *, aof: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        self._command = [
            program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(folder),
            "--appendonly", "yes" if aof else "no", "--appendfsync", "always",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until it answers. Raises RuntimeError."""
        process = self._process = self._launch()
        async with self.client() as client, asyncio.timeout(READY_S):
            while process.poll() is None:
                try:
                    await client.ping()
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
                else:
                    return
        raise RuntimeError("Redis ended: " + (self._folder / "redis.log").read_text()[-1000:])

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self._folder / "redis.log").open("ab") as log:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def client(self) -> Redis:
        return Redis.from_url(self.url)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever state it is in; idempotent."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.kill()

    async def kill_clients(self) -> None:
        """CLIENT KILL every connection, the subscribers' too."""
        async with self.client() as client:
            await client.client_kill_filter(_type="pubsub")
            await client.client_kill_filter(_type="normal", skipme=True)
