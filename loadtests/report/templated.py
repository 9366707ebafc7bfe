"""What templates compile to, kept: compiling takes most of the time of a page, and a process may write several."""

from __future__ import annotations

from types import CodeType

import jinja2
from jinja2.bccache import Bucket


class _Kept(jinja2.BytecodeCache):
    """In memory, by name and content."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


KEPT = _Kept()
