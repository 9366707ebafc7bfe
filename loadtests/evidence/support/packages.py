"""Fetch a named version of an npm package and read it: `npm pack`, no installation, no scripts of the package run.

MDN's browser-compat-data says since which version a browser has something, and which engine is in a release; caniuse
what the world uses.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
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


class Usage(msgspec.Struct, frozen=True):
    """What caniuse says of one browser: usage in percent of all page views, and release instants, by version."""

    usage: dict[str, float]
    released: dict[str, int | None]  # Unix seconds; None: not yet


class Caniuse(msgspec.Struct, frozen=True):
    """What `unpack.cjs` prints: `stats` is feature -> browser -> version -> `y`, `a #1`, `n`, …"""

    browsers: dict[str, Usage]
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


class Statement(msgspec.Struct, frozen=True):
    """One support statement, as far as it is read here (the data's `support_statement`)."""

    version_added: str | bool | None = None
    version_removed: str | bool | None = None
    partial_implementation: bool = False
    prefix: str | None = None
    flags: list[object] = []


class Release(msgspec.Struct, frozen=True):
    """One release of a browser."""

    engine: str | None = None
    engine_version: str | None = None


class Releases(msgspec.Struct, frozen=True):
    """One browser's, by version."""

    releases: dict[str, Release]


class _Meta(msgspec.Struct, frozen=True):
    timestamp: str
    version: str


class _Head(msgspec.Struct, frozen=True):
    meta: _Meta = msgspec.field(name="__meta")
    browsers: dict[str, Releases]


class _Compat(msgspec.Struct, frozen=True):
    support: dict[str, Statement | list[Statement]]


class Mdn:
    """One version of the data."""

    def __init__(self, package: Path) -> None:
        """Read the unpacked package. Raises SupportError."""
        try:
            raw = (package / "data.json").read_bytes()
            head = msgspec.json.decode(raw, type=_Head)
            self._tree: Mapping[str, object] = msgspec.json.decode(raw, type=dict[str, object])
        except (OSError, msgspec.MsgspecError) as error:
            raise SupportError(f"browser-compat-data says what it should not: {error}") from error
        self.browsers = head.browsers
        self.date = head.meta.timestamp[:10]

    def since(self, path: str) -> dict[str, str]:
        """Return the first version with the feature as it stands today, by browser; "" where there is none.

        Prefixed, flagged, partial and removed forms count as none. Raises SupportError if the path is not there.
        """
        node: object = self._tree
        for key in path.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        try:
            support = msgspec.convert(node, type=dict[str, object]).get("__compat")
            compat = msgspec.convert(support, type=_Compat)
        except msgspec.MsgspecError as error:
            raise SupportError(f"browser-compat-data has no support data at {path}: {error}") from error
        return {browser: _first(found) for browser, found in sorted(compat.support.items())}

    def engine(self, browser: str, version: str) -> tuple[str, int] | None:
        """Return name and major version of the engine in a release; None where the data don't tell."""
        known = self.browsers.get(browser)
        wanted = number(version)
        if known is None or wanted is None:
            return None
        # A version without an entry of its own carries the engine of the newest one before it.
        before = [(key, release) for text, release in known.releases.items() if (key := number(text)) and key <= wanted]
        if not before:
            return None
        release = max(before, key=lambda pair: pair[0])[1]
        major = number(release.engine_version or "")
        return (release.engine, major[0]) if release.engine and major else None


def number(version: str) -> tuple[int, ...] | None:
    """Return a version for comparing: `15.2-15.3` counts by its start; None for a word such as `TP` or `all`."""
    parts = version.removeprefix("≤").partition("-")[0].split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


def _first(found: Statement | list[Statement]) -> str:
    for statement in [found] if isinstance(found, Statement) else found:
        limited = statement.prefix or statement.flags or statement.partial_implementation
        if isinstance(statement.version_added, str) and not statement.version_removed and not limited:
            return statement.version_added
    return ""
