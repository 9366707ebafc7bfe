"""Fetch a named version of an npm package and read it: `npm pack`, no installation, no scripts of the package run."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtests.records.errors import SupportError

_TIMEOUT_S = 180.0
_UNPACK = Path(__file__).with_name("unpack.cjs")


def unpacked(package: str, version: str, folder: Path) -> Path:
    """Fetch `package@version` into `folder` and return the folder with its `package.json`. Raises SupportError."""
    folder.mkdir(parents=True)
    _said("npm", ["pack", "--silent", "--pack-destination", str(folder), f"{package}@{version}"])
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise SupportError(f"npm pack {package}@{version} left {len(archives)} archives where one was due")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def newest(package: str) -> str:
    """Return the newest version's number. Raises SupportError."""
    return _said("npm", ["view", package, "version"]).decode().strip()


class Browser(msgspec.Struct, frozen=True):
    """What caniuse says of one browser: usage in percent of all page views, and release instants, by version."""

    usage: dict[str, float]
    released: dict[str, int | None]  # Unix seconds; None: not yet


class Caniuse(msgspec.Struct, frozen=True):
    """What `unpack.cjs` prints: `stats` is feature -> browser -> version -> `y`, `a #1`, `n`, …"""

    browsers: dict[str, Browser]
    stats: dict[str, dict[str, dict[str, str]]]


def caniuse(folder: Path, features: Sequence[str]) -> Caniuse:
    """Read an unpacked caniuse-lite. Raises SupportError."""
    said = _said("node", [str(_UNPACK), str(folder.resolve()), *sorted(set(features))])
    try:
        return msgspec.json.decode(said, type=Caniuse)
    except msgspec.MsgspecError as error:
        raise SupportError(f"caniuse-lite says what it should not: {error}") from error


def _said(program: str, arguments: Sequence[str]) -> bytes:
    path = shutil.which(program)
    if path is None:
        raise SupportError(f"{program} is needed to read the packages, and is not on PATH")
    try:
        done = subprocess.run([path, *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise SupportError(f"{program} {arguments[0]} took more than {_TIMEOUT_S:g} s") from error
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        raise SupportError(f"{program} {' '.join(arguments)} failed: {why[-1] if why else 'without a word'}")
    return done.stdout
