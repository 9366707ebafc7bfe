"""Counts of JavaScript source, from its tokens. The source has to end each statement by a semicolon.

The tokenizer knows enough of ECMA-262, section 12, to tell code from comments, text and patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from loadtests.evidence.complexity.python_source import Counts, UnreadableSourceError

TEXT: Final = '""'
"""What every string, template and regular expression is given out as."""

_TOKEN: Final = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<number>0[xX][\da-fA-F_]+n?|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?n?)
  | (?P<name>\#?[A-Za-z_$][\w$]*)
  | (?P<mark>\?\?=|&&=|\|\|=|\*\*=|===|!==|\.\.\.|>>>=?|<<=|>>=|=>|\?\.(?!\d)|\?\?|&&|\|\||\*\*|\+\+|--
      |[-+*/%&|^=!<>]=|<<|>>|[{}()\[\];,<>+\-*/%&|^!~?:=.@])
    """,
    re.VERBOSE | re.DOTALL,
)
_PATTERN: Final = re.compile(r"/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_TEMPLATE_TEXT: Final = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)
# After the end of a value a slash divides; elsewhere it begins a regular expression.
_ENDS_A_VALUE: Final = re.compile(r"""[\w$)\]}"]\Z""")
_BEFORE_A_VALUE: Final = {
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "await",
}
_BRANCHING_WORDS: Final = {"if", "for", "while", "case", "catch"}
_BRANCHING_MARKS: Final = {"?", "&&", "||", "??", "&&=", "||=", "??="}
_HEADS: Final = {"if", "for", "while", "switch", "try", "class", "function"}
_NO_METHODS: Final = {"if", "for", "while", "switch", "catch", "function"}
_ASSIGNING: Final = {"=", "+=", "-=", "*=", "/=", "%=", "??=", "&&=", "||=", "**=", "&=", "|=", "^=", "++", "--"}
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


def tokens(source: str, name: str) -> Iterator[str]:
    """Yield the tokens. What stands in a template's `${}` comes between parentheses.

    Raises UnreadableSourceError, naming the file and line, for what is no token.
    """
    at, before = 0, ""
    open_braces: list[str] = []  # what each one that is open closes: a block or a template's expression
    while at < len(source):
        if source[at] == "`" or (source[at] == "}" and open_braces[-1:] == ["${"]):
            if source[at] == "}":
                open_braces.pop()
                yield ")"
            else:
                yield TEXT
            text = _TEMPLATE_TEXT.match(source, at + 1)
            if text is None:
                raise _unreadable(source, at, name, "a template without its end")
            at, before = text.end(), TEXT
            if text[1] == "${":
                open_braces.append("${")
                before = "("
                yield before
            continue
        match = _pattern(source, at, before) or _TOKEN.match(source, at)
        if match is None:
            raise _unreadable(source, at, name, "no token of JavaScript")
        at = match.end()
        if match.lastgroup == "blank":
            continue
        before = TEXT if match.lastgroup in (None, "string") else match.group()
        if before == "{":
            open_braces.append("{")
        elif before == "}" and open_braces:
            open_braces.pop()
        yield before


def _pattern(source: str, at: int, before: str) -> re.Match[str] | None:
    if before and before not in _BEFORE_A_VALUE and _ENDS_A_VALUE.search(before):
        return None
    return _PATTERN.match(source, at)


def _unreadable(source: str, at: int, name: str, what: str) -> UnreadableSourceError:
    line = source.count("\n", 0, at) + 1
    return UnreadableSourceError(f"{name}, line {line}: {source[at : at + 20]!r} is {what}")


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
