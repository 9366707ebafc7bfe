"""A tokenizer of JavaScript: enough of ECMA-262, section 12, to tell code from comments, text and patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from loadtests.evidence.complexity.counts import UnreadableSourceError

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
