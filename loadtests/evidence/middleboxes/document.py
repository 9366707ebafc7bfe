"""docs/deployment.md: what each box does as it comes, and what to tell it. From a run, and from the boxes' data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loadtests.records.middleboxes import FILE, Middleboxes, Row, load
from loadtests.report.claims import title
from loadtests.report.marked import filled
from loadtests.report.middleboxes import cell, heartbeat_words, transports
from loadtests.run import boxes
from loadtests.run.boxes import SERVER, Program

ROOT = Path(__file__).parents[3]
PATH = ROOT / "docs" / "deployment.md"
REFERENCE = ROOT / "results" / "reference"
_BEGIN = "<!-- Written by `make field`. -->"
_END = "<!-- End of what `make field` writes. -->"


def with_section(text: str, found: Middleboxes | None) -> str:
    """Return the document with its section on proxies: the settings of the boxes' data, and what a run found."""
    return filled(PATH.name, text, _BEGIN, section(found), _END)


def section(found: Middleboxes | None) -> str:
    """Return the table of a run, where there is one, and the settings."""
    table = [] if found is None else [*_verdicts(found), "", *_prose(found), ""]
    return "\n".join([*table, *_settings(found)])


def reference() -> Middleboxes | None:
    """Return the run that is kept, None where there is none."""
    path = REFERENCE / FILE
    return load(path) if path.is_file() else None


def _verdicts(found: Middleboxes) -> Iterator[str]:
    names = transports(found)
    yield "| as it comes | " + " | ".join(map(title, names)) + " |"
    yield "|---|" + "---|" * len(names)
    by_box: dict[str, dict[str, Row]] = {}
    for row in found.as_they_come:
        by_box.setdefault(f"{row.box} {row.version}".strip(), {})[row.transport] = row
    for box, rows in by_box.items():
        if box != "none":
            yield f"| {box} | " + " | ".join(cell(rows[name]) if name in rows else "" for name in names) + " |"


def _prose(found: Middleboxes) -> Iterator[str]:
    yield f"Heartbeat {found.heartbeat_s:g} s, timeout of the boxes {found.timeout_s:g} s ({found.form})."
    yield "*Cured*: the same row was run again with the settings below, and passes."
    if words := heartbeat_words(found):
        yield words


def _settings(found: Middleboxes | None) -> Iterator[str]:
    versions = {row.box: row.version for row in (found.rows if found else ())}
    for program in boxes.programs():
        if program.package and program.settings:
            version = versions.get(program.variants[0].name, "")
            yield from _told(program, version)


def _told(program: Program, version: str) -> Iterator[str]:
    yield f"**{program.title}**{f' ({version})' if version else ''}. Its idle timeout: {program.timeout}."
    yield ""
    yield "```"
    for setting in program.settings:
        if setting.place != SERVER:
            scope = f" ({', '.join(map(title, setting.transports))})" if setting.transports else ""
            yield f"# {setting.why}{scope}; {setting.source}"
            yield from filter(None, (setting.needs, setting.text))
    yield "```"
    yield ""
