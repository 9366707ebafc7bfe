"""The named package versions, fetched from the registry, give the committed file byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loadtests.evidence.support import __main__ as command
from loadtests.evidence.support import packages
from loadtests.records.errors import SupportError
from tests.conftest import missing


def test_the_committed_facts_are_what_the_named_versions_give(capsys: pytest.CaptureFixture[str]) -> None:
    for program in ("npm", "node"):
        if shutil.which(program) is None:
            missing(program)
    assert command.main(["--check"]) == 0, capsys.readouterr().err
    assert "HTTP/2 push" in capsys.readouterr().out


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SupportError, match="npm is needed"):
        packages.newest("caniuse-lite")


def test_a_failing_program_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no such version' >&2; exit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(SupportError, match="no such version"):
        packages.unpacked("caniuse-lite", "0.0.0", tmp_path / "out")
