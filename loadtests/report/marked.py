"""The part of a page that a program writes: between a line that says which program, and the next line that ends it."""

from __future__ import annotations

from loadtests.records.errors import RunError

END = "<!-- end -->"


def filled(name: str, text: str, begin: str, content: str, end: str = END) -> str:
    """Return a page's text with `content` between the lines `begin` and `end`; RunError where it has none."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise RunError(f"{name} must hold the lines {begin} and {end}: it has no place for what is written")
    return f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}"
