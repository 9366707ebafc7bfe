"""Packages from npm that only tests use: pinned, no scripts run, kept in a cache outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import missing

_INSTALL_S = 120


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rtlab" / "npm"


def installed(name: str, version: str) -> Path:
    """The folder of a package at an exact version, installed when it is not there yet."""
    home = cache_folder() / f"{name}-{version}"
    package = home / "node_modules" / name
    if package.is_dir():
        return package
    npm = shutil.which("npm")
    if npm is None:
        missing("npm")
    assert npm is not None
    home.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=home.parent))
    command = [npm, "install", "--prefix", str(scratch), "--no-save", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(
        [*command, "--no-audit", "--no-fund", f"{name}@{version}"],
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
        check=False,
    )
    assert done.returncode == 0, f"npm could not install {name}@{version}:\n{done.stderr}"
    # Whole or not there: a test run that is stopped half-way leaves no broken package behind.
    scratch.rename(home)
    return package
