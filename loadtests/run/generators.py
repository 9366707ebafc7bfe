"""The load generator: a process of its own, which reads a file of what to do and reports line by line.

Generators are forked from a process that has imported their modules: to start each anew would cost a second of two
cores. One fork server serves all generators of this process; it is started for the first and ends with us.
"""

from __future__ import annotations

import atexit
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import msgspec

from loadtests.records.cell_spec import ORDER_MOST_BYTES, ForkOrder, GeneratorResult, Progress
from loadtests.records.errors import GeneratorError
from loadtests.run.process import Running, available_cores, end_with_us, leash

MODULE = ("loadtests.load.users.generator",)
"""A module with `main`, and the arguments that precede the spec and the folder."""

_FORK_SERVER_MODULE = "loadtests.load.users.fork_server"
_START_S = 60.0  # for its imports, on a machine that does much else
_STOP_S = 5.0
_TICK_S = 0.1
_LINE_BYTES = 64
_UNKNOWN = 255  # the exit code of a process whose fork server has died: it is lost


class Fork(Running):
    """A process that the fork server forked: not our child, so the fork server reports its end."""

    def __init__(self, keeper: socket.socket, output: IO[bytes], log: Path) -> None:
        """Wait for the process id, which comes by `keeper`; GeneratorError if the process could not start."""
        super().__init__(log)
        self.output = output
        self._keeper = keeper
        self._received = b""
        self._code: int | None = None
        try:
            pid = self._line(_START_S)
        except ConnectionError:
            pid = None
        if pid is None:
            self._close()
            raise GeneratorError("the load generator could not be started; what was wrong stands above, if anything")
        self.pid = pid

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it has not come within `timeout_s`."""
        if self._code is None:
            try:
                self._code = self._line(timeout_s)
            except ConnectionError:
                self._code = _UNKNOWN
        return self._code

    def stop(self, timeout_s: float) -> int:
        """End the process within bounds; return its exit code."""
        code = super().stop(timeout_s)
        self._close()
        return code

    def _close(self) -> None:
        self._keeper.close()
        self.output.close()

    def _line(self, timeout_s: float) -> int | None:
        """Return the next number received, or None where none comes in time; ConnectionError if none can come."""
        if b"\n" not in self._received:
            if not select.select([self._keeper], [], [], timeout_s)[0]:
                return None
            self._received += self._keeper.recv(_LINE_BYTES)
        line, found, self._received = self._received.partition(b"\n")
        if not found:
            raise ConnectionError("the process that generators are forked from has ended")
        return int(line)


class ForkServer:
    """The process, started when it is first needed, or needed again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return None if self._process is None else self._process.pid

    def fork(self, module: str, arguments: Sequence[str], *, log: Path, on_cores: frozenset[int] = frozenset()) -> Fork:
        """Run `module`'s `main(arguments)` in a process of its own; its errors go to `log`. Raises GeneratorError."""
        order = ForkOrder(
            module=module,
            arguments=tuple(arguments),
            folder=str(Path.cwd()),
            cores=tuple(on_cores or available_cores()),
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
        encoded = msgspec.json.encode(order)
        assert len(encoded) <= ORDER_MOST_BYTES
        orders = self._open()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        output = os.fdopen(reading, "rb", buffering=0)
        try:
            with theirs, log.open("wb") as errors:
                socket.send_fds(orders, [encoded], [writing, errors.fileno(), theirs.fileno()])
        except OSError as error:
            ours.close()
            output.close()
            raise GeneratorError(f"the load generator could not be started: {error}") from error
        finally:
            os.close(writing)
        return Fork(ours, output, log)

    def close(self) -> None:
        """Let the process end; what it forked lives on. It is started again when it is needed."""
        if self._process is None or self._orders is None:
            return
        self._orders.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_S)
        self._process = self._orders = None

    def _open(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._orders is None:
            self._orders, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    [sys.executable, "-m", _FORK_SERVER_MODULE, str(leash())],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C reaches the lab only
                    pass_fds=(leash(),),
                    preexec_fn=end_with_us(),
                )
        return self._orders


FORK_SERVER = ForkServer()
atexit.register(FORK_SERVER.close)


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
        self.pids: tuple[int, ...] = (self.pid,)  # with its workers, once it has named them

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
            said = [progress for line in lines if (progress := _progress(line)) is not None]
            self.pids += tuple(pid for progress in said for pid in progress.pids)
            yield said
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
