"""Values of one type out of TOML files: those that come with the lab, by name, and anybody's own, by path."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TomlFiles(Generic[T]):
    """One kind of file. Whatever is wrong with one is raised as `error`, in one sentence that names the file."""

    folder: Path  # of those that come with the lab
    kind: type[T]  # read by its strict types
    noun: str  # what messages call it
    error: type[ValueError]
    checked: Callable[[T], T]  # returns the value ready for use; raises `error`
    completed: Callable[[dict[str, object], Path], dict[str, object]] = lambda raw, _: raw  # by the file's path
    shape: str = ""  # what a file may hold, said where one holds something else

    def named(self) -> dict[str, Path]:
        """Return the files that come with the lab, by name, in alphabetical order."""
        return {path.stem: path for path in sorted(self.folder.glob("*.toml"))}

    def find(self, name_or_path: str) -> T:
        """Read the file that comes with the lab under this name, or the one of this path."""
        known, path = self.named(), Path(name_or_path)
        if name_or_path not in known and path.suffix != ".toml" and not path.is_file():
            names = ", ".join(known)
            raise self.error(f"no {self.noun} {name_or_path!r}: give the path of a TOML file or one of {names}")
        return self.read(known.get(name_or_path, path))

    def read(self, path: Path) -> T:
        """Read and check one file."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as reason:
            raise self.error(f"can't read the {self.noun} {path}: {reason}") from None
        except tomllib.TOMLDecodeError as reason:
            raise self.error(f"{path} is not TOML: {reason}") from None
        try:
            return self.checked(msgspec.convert(self.completed(raw, path), self.kind, strict=True))
        except msgspec.ValidationError as reason:
            shape = f"; {self.shape}" if self.shape else ""
            raise self.error(f"{path} is no valid {self.noun}: {reason}{shape}") from None
        except self.error as reason:
            raise self.error(f"{path}: {reason}") from None
