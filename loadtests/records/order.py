"""What the lab tells the process that generators are forked from (`loadtests.load.users.zygote`)."""

from __future__ import annotations

import msgspec

DESCRIPTORS = 3  # that go with an order: standard output, standard error, the socket for pid and exit code
MOST_BYTES = 65_536


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One process to fork, and what it would have from its parent if the lab had started it."""

    module: str  # has `main(arguments) -> exit code`
    arguments: tuple[str, ...]
    folder: str  # to work in
    cores: tuple[int, ...]  # to run on; empty: wherever
    open_files: int  # the limit of them
