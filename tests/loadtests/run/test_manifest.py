"""The manifest: what it says of this machine, and what it keeps to itself."""

from __future__ import annotations

import platform
import socket
import subprocess
from pathlib import Path

import pytest

from loadtests.run import manifest


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder), *arguments),
        check=True,
        capture_output=True,
    )


def test_versions_host_and_settings_are_written_down() -> None:
    found = manifest.collect({"deflate": False}, seed=5)
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["uvicorn"]
    assert found["host"]["kernel"] == platform.release()
    assert found["host"]["cpu_model"]
    assert found["settings"] == {"deflate": False}
    assert found["random"] == {"seed": 5}


def test_every_protected_key_is_a_field() -> None:
    found = manifest.collect({"deflate": False, "RTLAB_RATE": "0"}, seed=5)
    keys = manifest.protected(found)
    assert {"settings.deflate", "settings.RTLAB_RATE", "host.cpu_model"} <= set(keys)
    for key in keys:
        section, field = key.split(".", 1)
        assert field in found[section]


def test_a_run_tells_no_host_name() -> None:
    assert socket.gethostname() not in str(manifest.collect({}, seed=1)["host"]).split()


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert manifest.git(tmp_path) == {"commit": None, "dirty": None}


def test_a_changed_tree_is_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "a")
    clean = manifest.git(tmp_path)
    assert clean["dirty"] is False
    assert len(str(clean["commit"])) == 40
    (tmp_path / "a").write_text("2")
    assert manifest.git(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_a_missing_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert manifest.git(Path(__file__).parent) == {"commit": None, "dirty": None}
