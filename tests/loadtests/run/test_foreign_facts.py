"""What is known of foreign servers before a run: a program that is not there is said, and the manifest names each."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest

from loadtests.records.adapter import find
from loadtests.records.errors import UsageError
from loadtests.run import foreign_facts
from loadtests.run.foreign import Foreign
from tests.loadtests.run.test_started import adapter


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"command": ("nodee", "{port}")}, "adapter mine: server.command begins with nodee, which is not on PATH"),
        ({"command": ("bin/server", "{port}")}, "server.command begins with .*/bin/server, and no program is there"),
        ({"cwd": "/nowhere"}, "adapter mine: server.cwd is no folder: /nowhere"),
    ],
)
def test_a_command_that_is_not_there_is_said(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        foreign_facts.require_startable([Foreign("127.0.0.1", 0, adapter(**changed))])


def test_the_manifest_names_protocol_program_and_version() -> None:
    foreign_facts.require_startable([Foreign("127.0.0.1", 0, adapter())])
    version = (sys.executable, "-c", "print('v1.2', end='')")
    assert foreign_facts.described([Foreign("127.0.0.1", 0, adapter(version=version))]) == {
        "mine.protocol": "sse",
        "mine.runs": "started by the lab",
        "mine.program": Path(sys.executable).name,
        "mine.version": "v1.2",
    }
    said = foreign_facts.described([Foreign("127.0.0.1", 0, adapter(version="3.4"))])
    assert said["mine.version"] == "3.4"


def test_a_warning_is_no_version() -> None:
    for script in ("print('Deprecated!', file=sys.stderr, flush=True); print('v2')", "print('v2', file=sys.stderr)"):
        at = Foreign("127.0.0.1", 0, adapter(version=(sys.executable, "-c", f"import sys; {script}")))
        assert foreign_facts.described([at])["mine.version"] == "v2"


def test_the_version_of_a_running_server_is_asked_of_a_program_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "says").write_text("#!/bin/sh\necho v4\n")
    (tmp_path / "says").chmod(0o755)
    (tmp_path / "mine.toml").write_text('like = "nchan-sse"\nname = "mine"\nversion = ["./says"]\n')
    (found,) = find(str(tmp_path / "mine.toml"))
    assert foreign_facts.described([Foreign("127.0.0.1", 9, found)])["mine.version"] == "v4"


@pytest.mark.parametrize(
    ("script", "said"),
    [("print('who?'); exit(2)", "ended with exit code 2 and said who?"), ("pass", "exit code 0 and said nothing")],
)
def test_a_version_that_can_not_be_had_is_said(script: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"the adapter mine: version .* {re.escape(said)}"):
        foreign_facts.described([Foreign("127.0.0.1", 0, adapter(version=(sys.executable, "-c", script)))])


def test_a_running_server_is_known_by_its_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        running = Foreign("127.0.0.1", here.getsockname()[1], find("nchan-sse")[0])
        said = foreign_facts.described([running])
    assert said["nchan-sse.runs"] == "this machine"
    if sys.platform == "linux":
        assert str(said["nchan-sse.program"]).startswith("python")
