"""The part of a page that a program writes: between a line that says which program, and the next `END`."""

from __future__ import annotations

from loadtests.records.errors import RunError

END = "<!-- end -->"


def filled(name: str, text: str, begin: str, content: str) -> str:
    """Return a page's text with `content` between the line `begin` and the next `END`; RunError where it has none."""
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise RunError(f"{name} must hold the lines {begin} and {END}: between them stands what was measured")
    return f"{before}{begin}\n\n{content}\n\n{END}{after}"
