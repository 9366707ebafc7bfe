"""Turns of the event loop: what is asked for in one is done at its end, once, and in order."""

from __future__ import annotations

import asyncio
from typing import Any

from core.writer import Turns
from tests.core.instances import settled


async def test_a_callback_that_fails_keeps_no_other_from_its_turns_end() -> None:
    turns, ended, failures = Turns(), list[int](), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail() -> None:
        raise ZeroDivisionError

    for callback in (lambda: ended.append(1), fail, lambda: ended.append(2)):
        turns.at_end(callback)
    await settled()
    assert ended == [1, 2]
    assert [type(each) for each in failures] == [ZeroDivisionError]


async def test_what_is_asked_for_at_the_end_of_a_turn_is_done_at_the_end_of_the_next() -> None:
    turns, ended = Turns(), list[int]()

    def again() -> None:
        ended.append(turns.number)
        if len(ended) < 3:
            turns.at_end(again)

    turns.at_end(again)
    await asyncio.sleep(0)
    assert len(ended) == 1
    await settled()
    assert ended == [1, 2, 3]


async def test_who_takes_it_back_is_not_called_at_the_turns_end() -> None:
    turns, called = Turns(), list[str]()

    def one() -> None:
        called.append("one")

    def two() -> None:
        called.append("two")

    turns.at_end(one)
    turns.at_end(two)
    turns.forget(two)
    await settled()
    assert called == ["one"]
    turns.forget(one)  # harmless
    turns.at_end(one)
    turns.at_end(two)
    turns.forget(one)  # another has asked since then
    await settled()
    assert called == ["one", "one", "two"]
