"""The server of a probe: one that runs already, or one that the adapter says how to start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.run.foreign import Foreign
from loadtests.run.servers import free_port
from loadtests.run.started import StartedServer


@contextmanager
def serving(server: Foreign) -> Iterator[Foreign]:
    """Start the server if its adapter says how, and end it afterwards. Raises ServerError."""
    command = server.adapter.server
    if command is None:
        yield server
        return
    with TemporaryDirectory(prefix="rtlab-probe-") as scratch:
        folder = Path(scratch) / "server"
        folder.mkdir()
        port = server.port or free_port()
        with StartedServer(server, command, log=Path(scratch) / "server.log", folder=folder, port=port) as started:
            started.wait_ready(lambda: None)
            yield started.foreign
