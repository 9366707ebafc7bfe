"""Counts of JavaScript source, from its tokens. Statements must end in a semicolon, as everywhere in this project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtests.evidence.complexity.counts import Counts
from loadtests.evidence.complexity.tokens import tokens

_BRANCHING_WORDS: Final = {"if", "for", "while", "case", "catch"}
_BRANCHING_MARKS: Final = {"?", "&&", "||", "??", "&&=", "||=", "??="}
_HEADS: Final = {"if", "for", "while", "switch", "try", "class", "function"}
_NO_METHODS: Final = {"if", "for", "while", "switch", "catch", "function"}
_ASSIGNING: Final = {"=", "+=", "-=", "*=", "/=", "%=", "??=", "&&=", "||=", "**=", "&=", "|=", "^=", "++", "--"}
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


def count(source: str, name: str) -> Counts:
    """Count a script or module. Raises UnreadableSourceError, naming the file and line, for what it cannot read."""
    code = list(tokens(source, name))
    partners = _partners(code)
    words = [token for at, token in enumerate(code) if not _is_property(code, at)]
    branches = sum(word in _BRANCHING_WORDS or word in _BRANCHING_MARKS for word in words)
    heads = sum(word in _HEADS for word in words) + len(_methods(code, partners))
    return Counts(heads + _ends(code), branches, len(_states(code, partners)))


def _is_property(code: Sequence[str], at: int) -> bool:
    return at > 0 and code[at - 1] in (".", "?.")


def _partners(code: Sequence[str]) -> dict[int, int]:
    """The places of brackets, each to that of its other half."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for at, token in enumerate(code):
        if token in _OPENING:
            waiting.append(at)
        elif token in _OPENING.values() and waiting:
            partners[at] = waiting.pop()
            partners[partners[at]] = at
    return partners


def _ends(code: Sequence[str]) -> int:
    """Semicolons that end a statement: those of a `for` head do not."""
    ends, within = 0, [""]
    for mark in code:
        if mark in _OPENING:
            within.append(mark)
        elif mark in _OPENING.values() and len(within) > 1:
            within.pop()
        ends += mark == ";" and within[-1] != "("
    return ends


def _methods(code: Sequence[str], partners: dict[int, int]) -> list[int]:
    """Where the bodies of methods begin: `name(…) {`."""
    found = []
    for at, token in enumerate(code):
        if token != "{" or at == 0 or code[at - 1] != ")" or at - 1 not in partners:  # noqa: S105 - a bracket
            continue
        name = partners[at - 1] - 1
        is_function = name > 0 and code[name - 1] == "function"
        if name >= 0 and code[name] not in _NO_METHODS and not is_function:
            found.append(at)
    return found


def _states(code: Sequence[str], partners: dict[int, int]) -> set[str]:
    """Fields that are assigned outside a constructor."""
    constructors = [
        range(at, partners.get(at, at))
        for at in _methods(code, partners)
        if code[partners[at - 1] - 1] == "constructor"
    ]
    return {
        code[at + 2]
        for at in range(len(code) - 3)
        if code[at] == "this" and code[at + 1] == "."
        if code[at + 3] in _ASSIGNING and not any(at in inside for inside in constructors)
    }
