"""A box that runs: on free ports, with its configuration in a folder of its own, gone when it is left."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from loadtests.records.errors import LabError
from loadtests.run.boxes import SERVER, Program, Setting, Variant, configured, filled
from loadtests.run.process import Child
from loadtests.run.servers import HOST, free_port, listens

_READY_S = 15.0
_STOP_S = 3.0
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # not on everybody's PATH, and where these programs are


@dataclass(frozen=True, slots=True)
class Timing:
    """The run's seconds."""

    heartbeat_s: float
    timeout_s: float  # of the boxes
    slow_s: float  # a heartbeat longer than that
    scaled: bool


def find(program: Program) -> str | None:
    """Return the program's path; None where it is not installed."""
    name = filled(program.program, {"python": sys.executable})
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM}")


def version(program: Program) -> str:
    """Return the version that an installed program prints."""
    path = find(program)
    if path is None:
        return ""
    said = subprocess.run([path, *program.version], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
    return found[0] if found else "of unknown version"


class Box(AbstractContextManager["Box"]):
    """One box before a port of this machine; several hops are as many processes. A context manager.

    The first hop listens on `port`, a free one without it; `wait_ready` waits for all.
    """

    def __init__(
        self,
        program: Program,
        variant: Variant,
        settings: tuple[Setting, ...],
        upstream_port: int,
        folder: Path,
        timing: Timing,
        *,
        port: int | None = None,
    ) -> None:
        self.variant = variant
        self._program, self._settings, self._timing = program, settings, timing
        self._hops: list[Child] = []
        self._values: list[dict[str, str]] = []
        behind = upstream_port
        try:
            for hop in reversed(range(variant.hops)):
                wanted = free_port() if hop or port is None else port
                self._start(wanted, behind, folder / f"hop{hop}")
                behind = wanted
        except BaseException:
            self.stop()
            raise
        self.port = behind

    def _start(self, port: int, upstream_port: int, folder: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # a box gives up root's rights, and still reads its configuration
        timing = self._timing
        values = {
            "listen": str(port), "upstream": str(upstream_port), "folder": str(folder), "control": str(free_port()),
            "address": HOST, "python": sys.executable, "program": find(self._program) or self._program.program,
            "idle_s": f"{timing.timeout_s:g}", "timeout_s": f"{timing.timeout_s:g}", **_account(),
        }  # fmt: skip
        (folder / "box.conf").write_text(
            configured(self._program, self._settings, values, scaled=timing.scaled), encoding="utf-8"
        )
        told = [word for each in self._settings if each.place == "arguments" for word in each.text.split()]
        command = [values["program"], *self._program.command, *self.variant.arguments, *told]
        environment = {name: filled(value, values) for name, value in self._program.environment.items()}
        child = Child(
            [filled(word, values) for word in command], log=folder / "box.log", environment=os.environ | environment
        )
        self._hops.append(child)
        self._values.append(values)

    def wait_ready(self) -> None:
        """Wait until every hop listens. LabError where one does not, or has ended."""
        for child, values in zip(self._hops, self._values, strict=True):
            if not listens(int(values["listen"]), _READY_S, lambda child=child: child.exit_code() is not None):  # type: ignore[misc]
                said = child.last_line() or "it said nothing"
                raise LabError(f"{self.variant.name} did not listen within {_READY_S:g} s, or ended: {said}")

    def reload(self) -> bool:
        """Let every hop load its configuration anew; False where the program has no way to."""
        how = self._program.reload
        for child, values in zip(self._hops, self._values, strict=True):
            if how.startswith("SIG"):
                os.kill(child.pid, signal.Signals[how])
            elif how:
                subprocess.run(  # noqa: S603
                    [filled(word, values) for word in shlex.split(how)], capture_output=True, timeout=10, check=False
                )
        return bool(how)

    def stop(self) -> None:
        """End every hop."""
        for child in reversed(self._hops):
            child.stop(_STOP_S)
        self._hops.clear()

    def __exit__(self, *_: object) -> None:
        self.stop()


def variables(settings: tuple[Setting, ...], variant: Variant) -> tuple[str, ...]:
    """Return the variables of the server behind a box, `NAME=value`; a setting replaces what the variant has."""
    told = tuple(each.text for each in settings if each.place == SERVER)
    names = {each.partition("=")[0] for each in told}
    return (*(each for each in variant.variables if each.partition("=")[0] not in names), *told)


def _account() -> dict[str, str]:
    """Lines for boxes that root starts: whom their workers run as."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {"user": "", "account": ""}
    return {"user": "user root;", "account": "User www-data\nGroup www-data"}
