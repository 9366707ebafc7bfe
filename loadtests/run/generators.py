"""The load generator: its own process, told what to do by a file, heard line by line."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from loadtests.records.cell_spec import GeneratorResult, Progress
from loadtests.records.errors import GeneratorError
from loadtests.run.fork_server import FORK_SERVER

MODULE = ("loadtests.load.users.generator",)
"""A module with `main`, and the arguments that precede the spec and the folder."""

_STOP_S = 5.0


class Generator:
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
        self._lines = b""
        self._ended = False
        os.set_blocking(self._child.output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._child.output, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """The generator's process id."""
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Whether the generator has closed its output: nothing more will be heard."""
        return self._ended

    def hear(self, timeout_s: float) -> list[Progress]:
        """Return the progress told since the last call, waiting at most `timeout_s` for something."""
        if self._ended or not self._selector.select(timeout_s):
            return []
        chunk = os.read(self._child.output.fileno(), 65536)
        self._ended = not chunk
        *lines, self._lines = (self._lines + chunk).split(b"\n")
        return [progress for line in lines if (progress := _progress(line)) is not None]

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

    def failure(self, code: int | None = None, told: str = "") -> GeneratorError:
        """Return the error that says how the generator failed, in its own last words."""
        if code is None:
            code = self._child.wait(_STOP_S)
        said = told or self._child.last_line()
        return GeneratorError(f"the load generator failed (exit code {code})" + (f": {said}" if said else ""))

    def stop(self) -> None:
        """End the generator within bounds."""
        self._selector.close()
        self._child.stop(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _progress(line: bytes) -> Progress | None:
    """Decode one line; what is not progress (a library that prints) is None."""
    try:
        return msgspec.json.decode(line, type=Progress)
    except msgspec.MsgspecError:
        return None


class Deadline:
    """A point in time by which something must have been heard."""

    def __init__(self, timeout_s: float) -> None:
        """Start counting now."""
        self.timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.monotonic() > self._at
