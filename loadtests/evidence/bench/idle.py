"""Memory of idle connections, plain and over TLS: what a server's processes grow by, in KiB for each connection.

The kernel's socket buffers are not in it, nor the client, which is a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from loadtests.evidence.bench.started import Result, Running, running, starting_s
from loadtests.evidence.bench.systems import System
from loadtests.records.errors import LabError
from loadtests.run.process import end_with_us, running_on

_FIRST: Final = 50  # what is made with the first connections is no connection's own
_SETTLE_S: Final = 1.0
_OWN: Final = ("Pss_Anon:", "Pss_Shmem:")
_HOLDER_S: Final = 0.5  # until it has started
_EACH_S: Final = {False: 0.002, True: 0.005}  # by whether it is over TLS


@dataclass(frozen=True)
class IdleGroup:
    """So many idle connections to one server after the other; memory is taken at each number."""

    transports: tuple[str, ...]
    systems: tuple[str, ...]
    connections: tuple[int, ...]
    tls: bool
    name: str = "memory"
    rarely: tuple[str, ...] = ()
    once: bool = True  # it hardly varies
    passes: int = 1

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [self._load_name(count) for count in self.connections]

    def _load_name(self, count: int) -> str:
        return f"memory-{count}{'-tls' if self.tls else ''}"

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""
        each_s = _HOLDER_S + (1 + len(self.connections)) * _SETTLE_S + max(self.connections) * _EACH_S[self.tls]
        return sum(starting_s([name]) + each_s for name in names)

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        """`kib_per_conn` at each number. Raises LabError.

        One server after the other, so that no other process starts or ends between two numbers of one server.
        """
        with TemporaryDirectory(prefix="rtlab-idle-") as folder:
            for system in _over_tls(systems, Path(folder)) if self.tls else systems:
                with (
                    running(system, server_cores) as server,
                    _holder(transport, server, self.tls, client_cores) as hold,
                ):
                    before_kib = hold(_FIRST)
                    for count in self.connections:
                        kib = (hold(count) - before_kib) / (count - _FIRST)
                        yield self._load_name(count), system.name, 0, {"n": count, "kib_per_conn": kib}


@contextmanager
def _holder(transport: str, server: Running, tls: bool, cores: frozenset[int]) -> Iterator[Callable[[int], float]]:
    """Make a function that holds so many idle connections, and returns what the server's memory is then, in KiB."""
    command = [sys.executable, "-m", "loadtests.evidence.bench.holder", transport, str(server.port), *["--tls"] * tls]
    pipe = subprocess.PIPE
    with running_on(cores):
        holder = subprocess.Popen(  # noqa: S603
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=end_with_us()
        )

    def hold(count: int) -> float:
        if holder.stdin is None or holder.stdout is None or holder.stderr is None:
            raise LabError("the holder of connections has no pipes")
        print(count, file=holder.stdin, flush=True)
        if not holder.stdout.readline():
            raise LabError(f"the holder of {count} connections ended: {holder.stderr.read().strip()[-300:]}")
        time.sleep(_SETTLE_S)
        return resident_kib(server.pids)

    try:
        yield hold
    finally:
        holder.kill()
        holder.communicate()


def resident_kib(pids: Sequence[int]) -> float:
    """KiB of memory that these processes hold of their own; what several share is divided among them (proc(5), Pss).

    Without what is mapped from files: a server's share of its libraries shrinks by megabytes when another process loads
    the same ones.
    """
    found = 0.0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        found += sum(float(line.split()[1]) for line in lines if line.startswith(_OWN))
    return found


def _over_tls(systems: Sequence[System], folder: Path) -> list[System]:
    certfile, keyfile = _certificate(folder)

    def over_tls(plain: System) -> System:
        options = ["--certfile", str(certfile), "--keyfile", str(keyfile)]
        return replace(plain, command=lambda port, inner: [*plain.command(port, inner), *options])

    return [over_tls(each) for each in systems]


def _certificate(folder: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise LabError("no openssl on PATH, which makes the certificate for TLS")
    certfile, keyfile = folder / "certificate.pem", folder / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [openssl, "req", "-x509", *kind, "-subj", "/CN=localhost", "-keyout", str(keyfile), "-out", str(certfile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise LabError(f"openssl made no certificate: {done.stderr.strip()[-200:]}")
    return certfile, keyfile
