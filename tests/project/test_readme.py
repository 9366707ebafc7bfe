"""The README and the documents name only files, modules, targets and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtests import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*.md"), ROOT / "Makefile"]
)
DOCUMENTS.remove(ROOT / "CHANGELOG.md")  # what an old release named may be gone

_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_ANCHOR = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w/.-])(?:core|transports|loadtests|tests|docs|notebooks|\.ci)/[\w./*-]*")
_MODULE = re.compile(r"(?:python3?|\$\(PYTHON_RUN\)) (?:-m )?((?:core|transports|loadtests|tests)(?:\.\w+)*)")
_DOTTED = re.compile(r"`((?:core|transports|loadtests|tests)(?:\.[a-z_0-9]+)+)`")
_APP = re.compile(r"\btransports\.([a-z0-9]+):app\b")
_MEASURED = re.compile(r"<!-- bench: begin -->.*<!-- bench: end -->", re.DOTALL)  # names the modules of its commit
_TARGET = re.compile(r"\bmake ([a-z]+)\b(?=[`\s])")
_COMMAND = re.compile(r"^\$ (?:\S+=\S+ )?rtlab ([a-z]+)", re.MULTILINE)


def name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_module(dotted: str) -> bool:
    """Whether `python -m` finds something to run."""
    path = ROOT.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    text = document.read_text()
    dead = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    ends = [(document.parent / path if path else document, anchor) for path, anchor in _ANCHOR.findall(text)]
    dead += [f"{path}#{anchor}" for path, anchor in ends if path.suffix == ".md" and anchor not in anchors(path)]
    assert not dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_and_modules_exist(document: Path) -> None:
    text = _MEASURED.sub("", document.read_text())
    paths = {path.rstrip(".") for path in _PATH.findall(text)}
    missing = {path for path in paths if not any(ROOT.glob(path.rstrip("/")))}
    missing |= {module for module in _MODULE.findall(text) if not is_module(module)}
    missing |= {each for each in _DOTTED.findall(text) if not any(ROOT.glob(each.replace(".", "/") + "*"))}
    missing |= {app for app in _APP.findall(text) if not (ROOT / "transports" / f"{app}.py").is_file()}
    assert not missing


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


def test_five_files_of_at_most_900_lines_show_how_a_message_reaches_a_subscriber() -> None:
    named = re.findall(r"^\d\. `([^`]+)`", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert len(named) == 5
    assert sum(len((ROOT / name).read_text().splitlines()) for name in named) <= 900
