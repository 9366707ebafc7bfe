"""Memory of idle connections, plain and over TLS: what a server's processes grow by, in KiB for each connection.

The kernel's socket buffers are not in it, nor the client, which is a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from loadtests.evidence.bench.systems import Running, System
from loadtests.records.errors import LabError
from loadtests.run.process import end_with_us, running_on

_FIRST: Final = 50  # what is made with the first connections is no connection's own
_SETTLE_S: Final = 1.0
_START_S: Final = 2.5
_EACH_S: Final = {False: 0.002, True: 0.005}  # by whether it is over TLS


@dataclass(frozen=True)
class IdleGroup:
    """So many idle connections to one server after the other; memory is taken at each number."""

    transports: tuple[str, ...]
    systems: tuple[str, ...]
    connections: tuple[int, ...]
    tls: bool
    name: str = "memory"
    once: bool = True  # it hardly varies

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [self._load_name(count) for count in self.connections]

    def _load_name(self, count: int) -> str:
        return f"memory-{count}{'-tls' if self.tls else ''}"

    def expected_s(self, found: Collection[str]) -> float:
        """About how long a repeat takes on a quiet machine, on those of its systems that were found."""
        each_s = _START_S + (1 + len(self.connections)) * _SETTLE_S + max(self.connections) * _EACH_S[self.tls]
        return each_s * len(self.transports) * sum(name in found for name in self.systems)

    def run(
        self, system: System, transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """`kib_per_conn` at each number. Raises LabError."""
        with TemporaryDirectory(prefix="rtlab-idle-") as folder:
            asked = _over_tls(system, Path(folder)) if self.tls else system
            with asked.running(server_cores) as server:
                for count, kib in _grown(server, transport, self.connections, self.tls, client_cores):
                    yield self._load_name(count), {"n": count, "kib_per_conn": kib}


def _grown(
    server: Running, transport: str, counts: Sequence[int], tls: bool, cores: frozenset[int]
) -> Iterator[tuple[int, float]]:
    command = [sys.executable, "-m", "loadtests.evidence.bench.holder", transport, str(server.port)]
    with running_on(cores):
        holder = subprocess.Popen(  # noqa: S603
            command + ["--tls"] * tls, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=end_with_us(),
        )  # fmt: skip
    try:
        _hold(holder, _FIRST)
        before_kib = resident_kib(server.pids)
        for count in counts:
            _hold(holder, count)
            yield count, (resident_kib(server.pids) - before_kib) / (count - _FIRST)
    finally:
        holder.kill()
        holder.communicate()


def _hold(holder: subprocess.Popen[str], count: int) -> None:
    if holder.stdin is None or holder.stdout is None or holder.stderr is None:
        raise LabError("the holder of connections has no pipes")
    print(count, file=holder.stdin, flush=True)
    if not holder.stdout.readline():
        raise LabError(f"the holder of {count} connections ended: {holder.stderr.read().strip()[-300:]}")
    time.sleep(_SETTLE_S)


def resident_kib(pids: Sequence[int]) -> float:
    """KiB of memory that these processes hold; what several share is divided among them (proc(5), Pss)."""
    found = 0.0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        found += sum(float(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found


def _over_tls(system: System, folder: Path) -> System:
    certfile, keyfile = _certificate(folder)

    def command(port: int, inner: Path) -> list[str]:
        return [*system.command(port, inner), "--certfile", str(certfile), "--keyfile", str(keyfile)]

    return replace(system, command=command)


def _certificate(folder: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise LabError("no openssl on PATH, which makes the certificate for TLS")
    certfile, keyfile = folder / "certificate.pem", folder / "key.pem"
    kind = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command = [openssl, "req", "-x509", *kind, "-keyout", str(keyfile), "-out", str(certfile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise LabError(f"openssl made no certificate: {done.stderr.strip()[-200:]}")
    return certfile, keyfile
