from __future__ import annotations

import pytest

from loadtests.evidence.complexity.python_source import Counts, UnreadableSourceError, count


def branches(source: str) -> int:
    return count(source, "module.py").branches


def test_lines_are_statements_and_neither_comments_nor_docstrings() -> None:
    source = '"""Says what."""\n# why\ndef f(\n    a,\n    b,\n):\n    """What."""\n    c = (a +\n    b)\n    return c'
    assert count(source, "module.py").lines == 3
    assert count("a = 1; b = 2", "module.py").lines == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b", 0),
        ("if a: b\nelse: c", 1),
        ("if a: b\nelif c: d\nelse: e", 2),
        ("a = b if c else d", 1),
        ("a = b and c and d or e", 3),
        ("for a in b: c", 1),
        ("while a: b", 1),
        ("try: a\nexcept B: c\nexcept D: e\nfinally: f", 2),
        ("a = [b for b in c if d if e]", 3),
        ("match a:\n case 1: b\n case 2: c\n case _: d", 2),
        ("match a:\n case _ if b: c", 1),
        ("with a: b", 0),
        ("def f():\n return 1", 0),
    ],
)
def test_branches_are_places_with_two_ways(source: str, expected: int) -> None:
    assert branches(source) == expected


def test_states_are_what_changes_after_the_constructor() -> None:
    source = """
class A:
    def __init__(self):
        self.fixed = 1
        self.changed = 1
    def f(self, other):
        self.changed = 2
        self.changed += 1
        self.late: int = 3
        del self.gone
        other.not_ours = 4
        local = 5
def g():
    n = 0
    def h():
        nonlocal n
        n += 1
"""
    assert count(source, "module.py").states == len({"changed", "late", "gone", "n"})


def test_what_is_not_python_is_named() -> None:
    with pytest.raises(UnreadableSourceError, match=r"broken\.py, line 2: "):
        count("a = 1\nb = = 2", "broken.py")


def test_nothing_counts_nothing() -> None:
    assert count('"""Only says what it is."""', "module.py") == Counts(0, 0, 0)
