"""What must hold before users start, in a cell or in plain Locust: each refusal says in one sentence what to give."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtests.load.clients import sockets
from loadtests.load.clients.base import Endpoint, parse_endpoint
from loadtests.load.users.publisher import KINDS
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.transports import USER_CLASSES
from loadtests.records.cell_spec import DIRECTIONS, DOWNSTREAM, FOREIGN_USER, CellSpec

SPARE_FILES = 64  # beside the connections: Locust's own, modules, the shard
POSTS_PER_PUBLISHER = 4  # connections to publish on, at most
_CONNECT_S = 5.0


class SetUpError(Exception):
    """The run cannot start as it was asked for; the message says what to give."""


def check_tasks(classes: Sequence[type[RoomUser]]) -> None:
    """Raise SetUpError for a class that Locust's options have left nothing to do."""
    for user_class in classes:
        if not user_class.tasks:
            raise SetUpError(
                f"--tags and --exclude-tags leave {user_class.__name__} without its one task, which has no tag; "
                "choose users by their class instead"
            )


def check_hosts(classes: Sequence[type[RoomUser]], host: str | None) -> str:
    """Return the host of the run, or of its first class; SetUpError unless each class has one that answers.

    `host` is Locust's --host: it counts before a class's own, as Locust has it. Raises AddressError.
    """
    found: dict[str, Endpoint] = {}
    for user_class in classes:
        url = host or user_class.host
        if not url:
            raise SetUpError(
                f"no host for {user_class.__name__}; give --host http://HOST:PORT, or name only classes that have one"
            )
        endpoint = found[url] = parse_endpoint(url)
        if user_class.needs_tls and not endpoint.secure:
            raise SetUpError(f"host {url!r}: {user_class.__name__} speaks HTTP/2 over TLS only; give https://HOST:PORT")
    for url, endpoint in found.items():
        try:
            socket.create_connection((endpoint.host, endpoint.port), timeout=_CONNECT_S).close()
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise SetUpError(f"{said} at {url}; start the server first, or give its address with --host") from error
    return next(iter(found), host or "")


def check_folder(folder: Path) -> None:
    """Make the folder for the raw samples; SetUpError where nothing can be written there when the run ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise SetUpError(f"--rtlab-out {folder}: {said}; give a folder that can be written to") from error


def most_users(publishers: int) -> int | None:
    """Return how many users this process has room for, with so many of them publishing; None without a limit."""
    limit = sockets.raise_file_limit()
    return None if limit is None else limit - SPARE_FILES - publishers * POSTS_PER_PUBLISHER


def too_many(users: int, publishers: int) -> str:
    """Return why so many users don't fit into this process; empty if they do."""
    return sockets.too_few_files(users, SPARE_FILES + publishers * POSTS_PER_PUBLISHER)


def worker_number(runner: object) -> int:
    """Return the number of the worker that `runner` is; 0 where it is none."""
    return max(0, getattr(runner, "worker_index", 0))


def secret(variable: str) -> bytes:
    """Return the key that tokens are signed with; SetUpError without one."""
    found = os.environ.get(variable, "").encode()
    if not found:
        raise SetUpError(f"{variable} is not set; give it the server's own, so that tokens can be signed")
    return found


def read_spec(path: Path) -> CellSpec:
    """Read and check a CellSpec; raises OSError, or ValueError with the value and what is allowed."""
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=CellSpec)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    load = spec.load
    classes = {spec.user_class, *spec.room_classes}
    known = {*USER_CLASSES, FOREIGN_USER} if spec.adapter is not None else {*USER_CLASSES}
    rules = (
        (
            classes <= known,
            f"user classes {', '.join(sorted(classes))}; expected one of {', '.join(USER_CLASSES)}, or "
            f"{FOREIGN_USER} with an adapter",
        ),
        (load.subscribers >= 1, f"subscribers {load.subscribers}; expected 1 or more"),
        (load.rate_per_s >= 0, f"rate_per_s {load.rate_per_s}; expected 0 or more"),
        (load.rooms >= 1, f"rooms {load.rooms}; expected 1 or more"),
        (load.publishers >= 1, f"publishers {load.publishers}; expected 1 or more"),
        (load.arrivals in KINDS, f"arrivals {load.arrivals!r}; expected one of {', '.join(KINDS)}"),
        (load.direction in DIRECTIONS, f"direction {load.direction!r}; expected one of {', '.join(DIRECTIONS)}"),
        (
            load.direction == DOWNSTREAM or load.publishers * load.rooms == load.subscribers,
            f"{load.publishers} publishers per room in direction {load.direction!r}; expected all who listen there",
        ),
        (load.payload_bytes <= 4096, f"payload_bytes {load.payload_bytes}; expected 4096 or less"),
        (load.poll_interval_s > 0, f"poll_interval_s {load.poll_interval_s}; expected more than 0"),
        (
            not spec.room_classes
            or (load.rooms, load.publishers, load.direction) == (len(spec.room_classes), 1, DOWNSTREAM),
            f"{load.rooms} rooms, {load.publishers} publishers in each, direction {load.direction!r} for "
            f"{len(spec.room_classes)} room_classes; expected a room for each, 1 publisher, {DOWNSTREAM!r}",
        ),
        (len(spec.room_names) >= load.rooms, f"{len(spec.room_names)} room_names; expected {load.rooms}"),
        (len(spec.tokens) >= 1, "no tokens; expected 1 or more"),
        (spec.connects_per_s > 0, f"connects_per_s {spec.connects_per_s}; expected more than 0"),
        (spec.measured_s > 0, f"measured_s {spec.measured_s}; expected more than 0"),
    )
    for holds, complaint in rules:
        if not holds:
            raise ValueError(f"{path}: {complaint}")
    return spec
