"""Bring the servers of `make targets`: npm's packages and a venv, with exactly what the lock files here pin.

They are installed once into a folder of ~/.cache/rtlab, beside the programs and the adapters that start them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from loadtests.records import adapter

HERE = Path(__file__).parent
PROGRAMS, ADAPTERS = HERE / "programs", HERE / "adapters"
NCHAN = Path(adapter.__file__).with_name("adapters") / "nchan.conf"
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
SBIN = ":/usr/sbin"  # where Debian has nginx, and not everybody's PATH leads
_INSTALL_S = 300.0
_TRIES = 2
_DONE = ".complete"
_DEMO = "tornado==6.1"
"""The last release whose sources hold Tornado's demos; the demo runs on the Tornado that requirements.lock pins."""


class Missing(Exception):
    """A program is not there, or a package can't be had; the message says which."""


def not_measured(what: str, why: object) -> int:
    """Say what is not measured and why; return the exit code of that: with CI=true everything must be."""
    print(f"{what} NOT MEASURED: {why}", file=sys.stderr)
    return int(os.environ.get("CI", "").lower() == "true")


def folder() -> Path:
    """Return the folder that holds everything, installed if it was not. Raises Missing."""
    sources = sorted(path for path in (*PROGRAMS.iterdir(), *ADAPTERS.glob("*.toml"), NCHAN) if path.is_file())
    digest = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    made = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtlab" / f"targets-{digest}"
    _require_programs()
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be installing the same
            if not (made / _DONE).exists():
                shutil.rmtree(made, ignore_errors=True)
                (made / "adapters").mkdir(parents=True)
                for path in sources:
                    shutil.copy(path, made / "adapters" if path.parent == ADAPTERS else made)
                _install(made)
                (made / _DONE).touch()
    except OSError as error:
        raise Missing(f"the servers can't be kept in {made}: {error}") from None
    return made


def _require_programs() -> None:
    found = {name: shutil.which(name, path=os.environ["PATH"] + SBIN) for name in ("node", "npm", "nginx")}
    if absent := [name for name, path in found.items() if path is None]:
        raise Missing(f"{', '.join(absent)} not found")
    if not NCHAN_MODULE.exists():
        raise Missing("nginx has no nchan: install libnginx-mod-nchan")


def _install(made: Path) -> None:
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=made)
    _run(sys.executable, "-m", "venv", "venv", folder=made)
    pip = ("venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", "--no-deps", "--requirement", "requirements.lock", folder=made)
    _run(*pip, "download", "--no-deps", "--no-binary", "tornado", _DEMO, folder=made)
    for sources in made.glob("tornado-*.tar.gz"):
        with tarfile.open(sources) as archive:
            demo = [each for each in archive.getmembers() if "/demos/chat/" in each.name and each.isfile()]
            for each in demo:
                each.name = each.name.partition("/demos/")[2]
            archive.extractall(made, demo, filter="data")
    if not (made / "chat" / "chatdemo.py").is_file():
        raise Missing(f"the sources of {_DEMO} hold no demos/chat")


def _run(*command: str, folder: Path) -> None:
    """Run a command; once more where it fails, since a registry may be out of reach for a moment. Raises Missing."""
    why = ""
    for _ in range(_TRIES):
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_INSTALL_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"{' '.join(command[:3])} did not end in {_INSTALL_S:g} s") from None
        if done.returncode == 0:
            return
        lines = [line.strip() for line in (done.stderr.strip() or done.stdout).splitlines() if line.strip()]
        # npm and pip say what is wrong first, and how to look for help last.
        telling = [line for line in lines if "error" in line.lower()] or lines
        why = "; ".join(telling[:2])[:300] or f"exit code {done.returncode}"
    raise Missing(f"{' '.join(command[:3])} failed: {why}")
