"""A deployed server as a process of its own session, so that its workers end with it whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.contracts.kit.limits import GONE_S, READY_S
from tests.contracts.kit.tls import TLS
from tests.contracts.kit.tokens import SECRET
from tests.deployments.servers import DRAIN_S, HEARTBEAT_S

_LOOK_S = 0.05


class Deployed:
    """One server, started; `base_url` ends with its prefix."""

    def __init__(self, command: Sequence[str], base_url: str, log_path: Path, settings: Mapping[str, str]) -> None:
        self.base_url = base_url
        self._log_path = log_path
        own = {name: value for name, value in os.environ.items() if not name.startswith("RTLAB_")}
        ours = {
            "RTLAB_SECRET": SECRET,
            "RTLAB_RATE": "0",
            "RTLAB_HEARTBEAT_SECONDS": f"{HEARTBEAT_S:g}",
            "RTLAB_DRAIN_SECONDS": f"{DRAIN_S:g}",
        }
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=own | ours | dict(settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def answers(self, *statuses: int) -> httpx.Response:
        """Wait until `/health` answers with one of these. Raises RuntimeError, with the log, when it never does."""
        until_s = time.monotonic() + READY_S
        async with httpx.AsyncClient(trust_env=False, verify=TLS, timeout=READY_S) as http:
            while time.monotonic() < until_s and self.process.poll() is None:
                with suppress(httpx.TransportError):
                    response = await http.get(f"{self.base_url}/health")
                    if response.status_code in statuses:
                        return response
                await asyncio.sleep(_LOOK_S)
        raise RuntimeError(f"not ready (exit code {self.process.poll()}); its log:\n{self.log()}")

    async def all_answer(self, workers: int) -> None:
        """Wait until each worker has answered: one that is ended while it starts may miss it. Raises TimeoutError."""
        instances: set[str] = set()

        async def ask() -> None:
            async with httpx.AsyncClient(trust_env=False, verify=TLS, timeout=READY_S) as http:
                instances.add((await http.get(f"{self.base_url}/health")).json()["instance"])

        async with asyncio.timeout(READY_S):
            while len(instances) < workers:
                await asyncio.gather(*(ask() for _ in range(4 * workers)))

    async def exit_code(self) -> int:
        return await asyncio.to_thread(self.process.wait, GONE_S)

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def kill(self) -> None:
        """End it and its workers, if they are still there."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(GONE_S)


@asynccontextmanager
async def relayed(port: int, path: Path) -> AsyncIterator[None]:
    """Carry connections of a port to a Unix socket, as a proxy in front would."""

    carrying: set[asyncio.Task[None] | None] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying.add(asyncio.current_task())
        with suppress(OSError, asyncio.CancelledError):  # it does not listen yet, or any more; or the test is over
            behind = await asyncio.open_unix_connection(path)
            try:
                await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))
            finally:
                behind[1].transport.abort()
        writer.transport.abort()

    server = await asyncio.start_server(carry, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in carrying:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in carrying if task is not None))
