"""Systems are asked for by short names, and an error lists what may be typed."""

from __future__ import annotations

import sys

import pytest

from loadtests.evidence.bench import __main__ as command
from loadtests.evidence.bench.choice import chosen, typed
from loadtests.evidence.bench.peers import ON_NODE, python_socketio
from loadtests.evidence.bench.systems import systems
from loadtests.records.errors import LabError

NAMES = [*(system.name for system in systems()), python_socketio().name, *ON_NODE]


@pytest.mark.parametrize("name", NAMES)
def test_each_system_has_one_word_that_means_it_alone(name: str) -> None:
    assert not set(", ") & set(typed(name))
    assert chosen(typed(name), NAMES) == [name]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ws", ["ws, node"]),
        ("socketio,WS", ["Socket.IO, node", "ws, node"]),
        ("bare,floor", ["plain Starlette", "floor"]),
        ("port,python", ["portable", "python-socketio"]),
    ],
)
def test_a_beginning_will_do(words: str, found: list[str]) -> None:
    assert chosen(words, NAMES) == found


@pytest.mark.parametrize("words", ["p", "direct,parlour", "", "direct,"])
def test_what_is_none_or_could_be_several_is_refused_with_what_may_be_typed(words: str) -> None:
    with pytest.raises(LabError, match=r"not one of direct, direct-by-write, portable, bare, .*, socket\.io, ws$"):
        chosen(words, NAMES)


def test_an_unknown_system_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "post", "--systems", "direct,parlour"])
    with pytest.raises(SystemExit, match=r"^--systems parlour: not one of direct, .*, bare, "):
        command.main()
