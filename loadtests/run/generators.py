"""The load generator: a process of its own, which reads a file of what to do and reports line by line."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from loadtests.records.cell_spec import GeneratorResult, Progress
from loadtests.records.errors import GeneratorError
from loadtests.run.fork_server import FORK_SERVER

MODULE = ("loadtests.load.users.generator",)
"""A module with `main`, and the arguments that precede the spec and the folder."""

_STOP_S = 5.0
_TICK_S = 0.1


class Generator(AbstractContextManager["Generator"]):
    """One generator process. A context manager: leaving it ends the process."""

    def __init__(
        self,
        spec: msgspec.Struct,
        folder: Path,
        *,
        log: Path,
        on_cores: frozenset[int] = frozenset(),
        module: Sequence[str] = MODULE,
    ) -> None:
        """Write `spec` into `folder` and start the generator, which leaves its tables there.

        What `spec` is, is the module's own: a `CellSpec` for the generator itself. Raises GeneratorError.
        """
        self._folder = folder
        spec_file = folder / "spec.json"
        spec_file.write_bytes(msgspec.json.encode(spec))
        name, *arguments = module
        self._child = FORK_SERVER.fork(name, [*arguments, str(spec_file), str(folder)], log=log, on_cores=on_cores)
        self.pid = self._child.pid

    def progress(self, limit_s: float) -> Iterator[list[Progress]]:
        """Yield what the generator reports, every 0.1 s at least, until it closes its output.

        Raises GeneratorError when it has not by `limit_s`.
        """
        output, rest = self._child.output, b""
        until_s = time.monotonic() + limit_s
        while True:
            lines: list[bytes] = []
            if select.select([output], [], [], _TICK_S)[0]:
                chunk = os.read(output.fileno(), 65536)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
            yield [progress for line in lines if (progress := _progress(line)) is not None]
            if time.monotonic() > until_s:
                raise GeneratorError(f"the load generator did not end within {limit_s:.0f} s")

    def exit_code(self, timeout_s: float) -> int | None:
        """Wait for the end and return the exit code; None when it has not come in time."""
        return self._child.wait(timeout_s)

    def result(self, timeout_s: float = 20.0) -> GeneratorResult:
        """Wait for the end and return what the generator found; GeneratorError if it failed."""
        code = self.exit_code(timeout_s)
        if code is None:
            raise GeneratorError(f"the load generator did not end within {timeout_s:g} s after it was done")
        if code != 0:
            raise self.failure(code)
        path = self._folder / "generator.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=GeneratorResult)
        except (OSError, msgspec.MsgspecError) as error:
            raise GeneratorError(f"the load generator left no readable result: {error}") from None

    def failure(self, code: int | None = None, said: str = "") -> GeneratorError:
        """Return the error that says how the generator failed, in its own last words."""
        if code is None:
            code = self._child.wait(_STOP_S)
        said = said or self._child.last_line()
        return GeneratorError(f"the load generator failed (exit code {code})" + (f": {said}" if said else ""))

    def stop(self) -> None:
        """End the generator within bounds."""
        self._child.stop(_STOP_S)

    def __exit__(self, *_: object) -> None:
        self.stop()


def _progress(line: bytes) -> Progress | None:
    """Decode one line; what is not progress (a library that prints) is None."""
    try:
        return msgspec.json.decode(line, type=Progress)
    except msgspec.MsgspecError:
        return None
