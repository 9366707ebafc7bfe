"""The README and the documents name only files, targets and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtests import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])

_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_TARGET = re.compile(r"\bmake ([a-z]+)\b(?=[`\s])")
_COMMAND = re.compile(r"^\$ (?:\S+=\S+ )?rtlab ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(document: Path) -> None:
    dead = [link for link in _LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert not dead


def test_targets_in_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(re.findall(r"`[^`\n]+`|^\$ .*$", (ROOT / "README.md").read_text(), re.MULTILINE))
    named = set(_TARGET.findall(code + "\n"))
    assert {"compare", "test", "check"} <= named <= targets


def test_commands_in_the_readme_are_those_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    offered = set(re.findall(r"^    ([a-z]+)(?: |$)", capsys.readouterr().out, re.MULTILINE))
    named = set(_COMMAND.findall((ROOT / "README.md").read_text()))
    assert {"compare", "serve"} <= named <= offered
