"""A generator whose users speak different transports, a room each.

Run: `python -m loadtests.evidence.calibration.ensemble SPEC OUT_DIR`.

For the short calibration before a comparison, where a process per transport would take too long to start. Standard
output, files and exit codes are those of `loadtests.load.users.generator`; SPEC is an
`evidence.calibration.trial.Ensemble`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from locust import User
from locust.env import Environment

from loadtests.evidence.calibration.trial import Ensemble
from loadtests.load.users import generator
from loadtests.load.users.cell import Cell, UserSlot, attach
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.transports import load_user_class


def main(arguments: list[str]) -> int:
    """Run the ensemble; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m loadtests.evidence.calibration.ensemble SPEC.json OUT_DIR", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    out_dir = Path(arguments[1])
    try:
        ensemble = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Ensemble)
        out_dir.mkdir(parents=True, exist_ok=True)
        cell, environment = open_ensemble(ensemble)
    except (OSError, ValueError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    return generator.run(cell, environment, out_dir)


def open_ensemble(ensemble: Ensemble) -> tuple[Cell, Environment]:
    """Make the cell; each user is placed in its own class's room. Raises ValueError for rooms that don't fit."""
    spec = ensemble.cell
    load = spec.load
    if load.rooms != len(ensemble.user_classes) or load.subscribers % load.rooms or load.publishers != 1:
        raise ValueError(
            f"{load.rooms} rooms, {load.subscribers} subscribers, {load.publishers} publishers for "
            f"{len(ensemble.user_classes)} user classes; expected a room each, as many subscribers in each, 1 publisher"
        )
    arriving: list[Iterator[UserSlot]] = []  # the slots of the class whose user is being made
    classes: list[type[User]] = [
        _seated(load_user_class(name), list(_slots(room, load.rooms, load.subscribers)), arriving)
        for room, name in enumerate(ensemble.user_classes)
    ]
    environment = Environment(user_classes=classes, host=spec.host)
    cell = Cell(
        spec,
        environment,
        slot_of=lambda _: next(arriving[-1]),
        token_for=lambda slot: spec.tokens[slot.number % len(spec.tokens)],
    )
    attach(environment, cell)
    return cell, environment


def _slots(room: int, rooms: int, subscribers: int) -> Iterator[UserSlot]:
    """Yield the slots of one room: subscriber i listens in room i % rooms, and publisher j publishes in room j."""
    for number in range(room, subscribers, rooms):
        yield UserSlot(number, room, True, -1)
    yield UserSlot(subscribers + room, room, False, room)


def _seated(user_class: type[RoomUser], slots: list[UserSlot], arriving: list[Iterator[UserSlot]]) -> type[RoomUser]:
    """Return the class with slots of its own, one user for each: Locust spawns classes in an order of its own."""
    waiting = iter(slots)

    def take_place(user: RoomUser, environment: Environment) -> None:
        arriving.append(waiting)
        user_class.__init__(user, environment)
        arriving.pop()

    members = {"__init__": take_place, "fixed_count": len(slots), "abstract": False}
    return type(user_class.__name__, (user_class,), members)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
