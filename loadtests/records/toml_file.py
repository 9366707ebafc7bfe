"""Values of one type out of a TOML file, or one sentence on what is wrong with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def read(path: Path, kind: type[T], noun: str, error: type[ValueError]) -> T:
    """Read `path` as a `kind`, by its strict types; raises `error`, which calls what the file is not a `noun`."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as reason:
        raise error(f"can't read the {noun} {path}: {reason}") from None
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{path} is not TOML: {reason}") from None
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as reason:
        raise error(f"{path} is not a {noun}: {reason}") from None
