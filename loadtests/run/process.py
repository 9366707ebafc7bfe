"""Processes of the lab: the cores they run on, how they start and stop, and that none of them outlives the lab.

Each leads a session of its own, so that Ctrl-C reaches the lab only, which then stops them in order, within bounds.

SIGKILL gives the lab no time for that. On Linux the kernel then kills a child when the thread that started it ends
(prctl(2), PR_SET_PDEATHSIG), even a stopped one. That does not reach a child's own children: a server's instances, and
the generators, which the fork server forks, hold the reading end of a pipe that closes with the lab. Where the kernel
does not bind them, servers hold one too. A server that is not ours knows of none: `keeper` ends what it started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from loadtests.records.errors import Interrupted

VARIABLE = "RTLAB_LEASH_FD"
"""Names the descriptor of the pipe to a server of ours, which ends when it closes (`transports.instances`)."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_KILL_WAIT_S = 5.0
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

# Read before `running_on` can have narrowed it: inside such a block there would be one core, and nothing to divide.
_BEFORE_OTHERS = 40
"""A real-time priority above what ordinary real-time programs ask for, and below the kernel's own threads."""

_GIVEN = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of the server and of the generator; both empty where nothing is pinned."""

    server: frozenset[int] = frozenset()
    generator: frozenset[int] = frozenset()


def divide_cores(available: frozenset[int], *, server_cores: int = 1) -> Cores:
    """Give the first `server_cores` cores to the server and the rest to the generator; one core is not divided."""
    if len(available) < 2:
        return Cores()
    ordered = sorted(available)
    taken = min(server_cores, len(ordered) - 1)
    return Cores(server=frozenset(ordered[:taken]), generator=frozenset(ordered[taken:]))


def run_before_others(pid: int) -> bool:
    """Let a process (0: this one) run whenever it can, before every ordinary program; False where that is not allowed.

    Linux's real-time class, as root. It must not compute without end: the kernel leaves others a twentieth of a core.
    """
    if not hasattr(os, "SCHED_FIFO"):
        return False
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(_BEFORE_OTHERS))
    except OSError:
        return False
    return True


def available_cores() -> frozenset[int]:
    """Return the cores that this process was started with, even inside `running_on`; empty without pinning (macOS)."""
    return _GIVEN


@contextmanager
def running_on(cores: frozenset[int]) -> Iterator[None]:
    """Run the block's calling thread on `cores`; a child started in it inherits them from its first instruction."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end_with_us(
    before: Callable[[], object] | None = None, orphaned: signal.Signals = signal.SIGKILL
) -> Callable[[], None] | None:
    """Return the `preexec_fn` of a child that is not to outlive this process; it calls `before` too.

    The child gets the signal `orphaned` when this process ends. A thread's children would end with the thread: only the
    main thread's are bound.
    """
    libc, ours = _LIBC, os.getpid()
    bound = libc is not None and threading.current_thread() is threading.main_thread()
    if not bound and before is None:
        return None

    def bind() -> None:
        if libc is not None and bound:
            libc.prctl(_PR_SET_PDEATHSIG, int(orphaned), 0, 0, 0)
            if os.getppid() != ours:  # we ended before the kernel knew
                os._exit(1)
        if before is not None:
            before()

    return bind


@cache
def leash() -> int:
    """Return the reading end of a pipe that is never written to and closes with this process."""
    reading, _ = os.pipe()  # the writing end is not inherited, and stays open
    return reading


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Note SIGINT, SIGTERM and SIGHUP instead of acting on them; yield the check that raises Interrupted for them.

    Main thread only. An exception out of a signal handler could fall between starting a process and remembering it; the
    check is called at safe points. SIGHUP is left alone where it is ignored, as under nohup.
    """
    noted: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(signal.Signals(number))

    def check() -> None:
        if noted:
            raise Interrupted(f"stopped by {'Ctrl-C' if noted[-1] is signal.SIGINT else noted[-1].name}")

    heeded = [each for each in _SIGNALS if each is signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Running(ABC):
    """A process that leads a session of its own, with its log file."""

    pid: int

    def __init__(self, log: Path) -> None:
        self.log = log

    @abstractmethod
    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end and return the exit code; None when the end has not come within `timeout_s`."""

    def exit_code(self) -> int | None:
        """Return the exit code, or None while the process lives."""
        return self.wait(0.0)

    def ask_to_end(self) -> None:
        """Send SIGTERM to it unless it has ended. Of several, each can be asked before `stop` waits for the first."""
        if self.exit_code() is None:
            with suppress(ProcessLookupError):  # it has just ended, and it was a fork server's to notice
                os.kill(self.pid, signal.SIGTERM)
                os.kill(self.pid, signal.SIGCONT)  # one that somebody stopped takes its end only then

    def stop(self, timeout_s: float) -> int:
        """End it: SIGTERM, and SIGKILL to it and its own children after `timeout_s`; return its exit code."""
        self.ask_to_end()
        code = self.wait(timeout_s)
        if code is None:
            # It leads its own session, so its process group is exactly what it started.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            code = self.wait(_KILL_WAIT_S)
        if code is None:
            raise TimeoutError(f"process {self.pid} did not end within {_KILL_WAIT_S:g} s of SIGKILL")
        return code

    def log_text(self) -> str:
        """Return what the log holds so far; empty if there is none."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def last_line(self) -> str:
        """Return the last line of the log that holds text, shortened to 300 characters; empty if there is none."""
        lines = self.log_text().splitlines()
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


class Child(Running):
    """A program that the lab started; it ends with the lab."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_cores: frozenset[int] = frozenset(),
        orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `command`; its output goes to `log`. `orphaned` is what it gets when the lab is gone. OSError."""
        super().__init__(log)
        # Where the kernel does not bind it, a server of ours ends when the leash closes.
        leashed = {} if _LIBC is not None else {VARIABLE: str(leash())}
        with log.open("wb") as sink, running_on(on_cores):
            self._process = subprocess.Popen(  # noqa: S603  # the lab's own command lines
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**environment, **leashed},
                pass_fds=tuple(map(int, leashed.values())),
                preexec_fn=end_with_us(orphaned=orphaned),
                # A session of its own: Ctrl-C reaches the lab only, which then ends its children in order.
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it has not come within `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
