"""What this process of a plain Locust run recorded, written as a shard (`loadtests.records.shard`)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users.cell import Cell
from loadtests.load.users.gathering import Gathering
from loadtests.load.users.health import GeneratorHealth
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.transports import transport_of
from loadtests.records.schema import Manifest, Phase
from loadtests.records.shard import SHARD_FILE, Shard, UserClass, UserSpan
from loadtests.records.store import write_atomically


def write(folder: Path, cell: Cell, health: GeneratorHealth, window_ns: tuple[int, int], shard: Shard) -> None:
    """Write what was recorded; `shard` is completed with its users. Raises RunError, OSError.

    `window_ns` is the time from the start of the test to a moment before its users were told to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    from_ns, to_ns = window_ns
    cell.recorder.write(folder, from_ns, to_ns)
    result = health.result(from_ns, to_ns, until_ns=time.monotonic_ns())
    cpu_s = sum(second.cpu_percent for second in result.seconds if second.phase == Phase.MEASURED) / 100
    result = msgspec.structs.replace(result, cpu_s=cpu_s)
    write_atomically(folder / "generator.json", msgspec.json.encode(result))
    users = [user for user in cell.users if isinstance(user, RoomUser)]
    completed = msgspec.structs.replace(
        shard,
        classes=tuple({type(user): _described(user) for user in users}.values()),
        spans=tuple(_span(user, to_ns) for user in users),
        publications=cell.reporter.publications,
        failures=cell.reporter.failures,
    )
    write_atomically(folder / SHARD_FILE, msgspec.json.encode(completed))


def begun(gathering: Gathering, worker: int, cell: Cell, manifest: Manifest) -> Shard:
    """Return the shard of a process that starts now, without its users."""
    return Shard(
        run=gathering.name,
        worker=worker,
        workers=gathering.workers,
        clock=OUR_CLOCK,
        started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        manifest=manifest,
        load=cell.spec.load,
        room_names=cell.spec.room_names,
        classes=(),
        spans=(),
        publications=0,
        failures=0,
    )


def _described(user: RoomUser) -> UserClass:
    like, stock = transport_of(type(user))
    return UserClass(name=user.row, like=like, stock=stock, label=user.label, straggle_s=user.straggle_s())


def _span(user: RoomUser, to_ns: int) -> UserSpan:
    span = user.span
    return UserSpan(
        number=user.slot.number,
        room=user.slot.room,
        user_class=user.row,
        from_ns=span.from_ns,
        to_ns=span.to_ns or to_ns,
        connect_ms=span.connect_ms,
        reconnects=span.reconnects,
        told_gaps=span.told_gaps,
    )
