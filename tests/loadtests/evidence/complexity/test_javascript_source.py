from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.evidence.complexity.javascript_source import count, tokens
from loadtests.evidence.complexity.python_source import UnreadableSourceError

PAGE = Path(__file__).parents[4] / "transports" / "page"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a // if (b) {}\n+ /* ? \n && */ c", ["a", "+", "c"]),
        ("a = 'if' + \"it's ?\"", ["a", "=", '""', "+", '""']),
        ("a / b / c", ["a", "/", "b", "/", "c"]),
        ("(a) / b / c", ["(", "a", ")", "/", "b", "/", "c"]),
        ("a = /[/?]\\/&&/g.test(b)", ["a", "=", '""', ".", "test", "(", "b", ")"]),
        ("return /^http/", ["return", '""']),
        ("`a ${b ? `c ${d}` : {}} f`;", ['""', "(", "b", "?", '""', "(", "d", ")", ":", "{", "}", ")", ";"]),
        ("`$ \\` \\${a}`", ['""']),
        ("a?.b ?? c ? .5 : d", ["a", "?.", "b", "??", "c", "?", ".", "5", ":", "d"]),
        ("this.#a ??= 10_000n", ["this", ".", "#a", "??=", "10_000n"]),
    ],
)  # fmt: skip
def test_tokens_tell_code_from_text(source: str, expected: list[str]) -> None:
    assert list(tokens(source, "script.js")) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b;", 0),
        ("if (a) b(); else if (c) d();", 2),
        ("a = b ? c : d;", 1),
        ("a = b && c || d ?? e;", 3),
        ("a?.b();", 0),
        ("for (const a of b) c();", 1),
        ("do { a(); } while (b);", 1),
        ("switch (a) { case 1: b(); case 2: c(); default: d(); }", 2),
        ("try { a(); } catch { b(); } finally { c(); }", 1),
        ("promise.catch(a);", 0),
        ("a = 'if ? &&'; // if", 0),
    ],
)
def test_branches_are_places_with_two_ways(source: str, expected: int) -> None:
    assert count(source, "script.js").branches == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 1;\n// b\nc = {\n  d: 2,\n};", 2),
        ("for (let a = 0; a < 2; a++) b();", 2),
        ("const a = () => { b(); c(); };", 3),
        ("class A {\n  #b = 1;\n  c(d) {\n    e();\n  }\n}", 4),
        ("function f() { g(); }", 2),
        ("if (a) { b(); } else { c(); }", 3),
        ("new Promise((a) => { b(); });", 2),
    ],
)
def test_lines_are_statements(source: str, expected: int) -> None:
    assert count(source, "script.js").lines == expected


def test_states_are_what_changes_after_the_constructor() -> None:
    source = """
class A {
  #fixed = 1;
  constructor(b) { this.b = b; this.#c = () => { this.d = 1; }; }
  f() { this.#e ??= 1; this.g++; if (this.b === 1) return this.h == 2; }
}
"""
    assert count(source, "script.js").states == len({"#e", "g"})


@pytest.mark.parametrize("source", ["a = `b", "a = \u20ac;", "'not\nclosed'"])
def test_what_is_no_javascript_is_named_with_its_line(source: str) -> None:
    with pytest.raises(UnreadableSourceError, match=r"^script\.js, line 2: "):
        count(f"ok();\n{source}", "script.js")


@pytest.mark.parametrize("script", sorted(PAGE.rglob("*.js")), ids=lambda path: path.name)
def test_every_script_of_the_page_can_be_read(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    brackets = [token for token in tokens(text, script.name) if token in "()[]{}"]
    assert [brackets.count(mark) for mark in "([{"] == [brackets.count(mark) for mark in ")]}"]
    assert 0 < count(text, script.name).lines <= len(text.splitlines())
