"""What the batches of the direct fan-out need of the event loop and of sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# Gives the same bytes to each of these descriptors, and returns how many each took: none where its socket is full or
# the write failed. What was not taken goes to the transport, which waits, or finds out that the connection is lost.
Write = Callable[[Sequence[int], bytes], Sequence[int]]


class Timer(Protocol):
    """What is used of asyncio's timer handles."""

    def cancel(self) -> None:
        """Keep the callback from being run."""
        ...


@dataclass(frozen=True, slots=True)
class LoopServices:
    """What a batcher needs of the world: an event loop's turns, timers and clock, and a way to write to sockets."""

    defer: Callable[[Callable[[], None]], object]  # runs a callback at the end of this turn
    later: Callable[[float, Callable[[], None]], Timer]  # runs a callback after so many seconds
    clock: Callable[[], float]
    write: Write
    coalesce_s: float = 0.0  # a batch waits this long, whatever comes; 0: until a turn brings no news
    few: int = 16  # sockets: to wait for a turn without news costs as much as writing to them


def for_each(
    call: Callable[[int, Argument], Result], failed: Result, descriptors: Sequence[int], argument: Argument
) -> list[Result]:
    """What a system call gives for each of these, and `failed` for those for which it fails."""
    results: list[Result] = []
    calls = map(call, descriptors, repeat(argument))  # a loop without a line of Python in it
    while len(results) < len(descriptors):
        try:
            results.extend(calls)
        except OSError:
            results.append(failed)
    return results
