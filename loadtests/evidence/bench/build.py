"""Compile the two C programs, once per source text."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


def compiled(name: str) -> Path:
    """The path of the built `name`, from `name`.c beside this file. Raises BenchError."""
    source = Path(__file__).with_name(f"{name}.c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    binary = Path(tempfile.gettempdir()) / f"rtlab-{name}-{digest}"
    if binary.exists():
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler on PATH: cc, gcc or clang is needed")
    building = binary.with_suffix(".new")
    built = subprocess.run(  # noqa: S603
        [compiler, "-O2", "-o", str(building), str(source)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise BenchError(f"{source.name} does not compile here: {built.stderr.strip()[:400]}")
    building.replace(binary)
    return binary
