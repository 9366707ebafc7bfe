from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import asdict

from core.catalogue import records
from loadtests.evidence.complexity import need, parts
from loadtests.evidence.complexity.__main__ import main
from loadtests.evidence.complexity.python_source import Imports, UnreadableSourceError
from loadtests.records.facts import Part
from loadtests.run.targets import TARGETS

ROOT = Path(__file__).parents[4]

Counted = tuple[list[Part], list[Part]]


@pytest.fixture(scope="module")
def counted() -> Counted:
    return parts(ROOT)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package of four modules: a needs b by one import and c by another, and d only for types."""
    package = tmp_path / "p"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\nimport os, q.other\nfrom p import b\n"
        "if TYPE_CHECKING:\n    from p.d import D\n"
        "def f():\n    from p.c import g\n"
    )
    (package / "b.py").write_text("from p.a import f\n")
    (package / "c.py").write_text("")
    (package / "d.py").write_text("")
    return tmp_path


def test_a_module_needs_what_it_imports_when_it_runs(tree: Path) -> None:
    assert Imports("p", tree).closure(["p.a"]) == {"p", "p.a", "p.b", "p.c"}
    assert Imports("p", tree).closure(["p.c"]) == {"p.c"}


def test_a_module_that_is_not_there_is_named(tree: Path) -> None:
    with pytest.raises(UnreadableSourceError, match=r"no module p\.x below"):
        Imports("p", tree).closure(["p.x"])


def test_every_transport_of_the_lab_is_counted(counted: Counted) -> None:
    names = {target.name for target in TARGETS}
    rows, _ = counted
    for part in ("server", "client"):
        assert {row.transport for row in rows if row.part == part} == names
    assert all(row.lines > 0 and (ROOT / row.file).is_file() for row in rows)


def test_a_transports_own_files_are_its_own_and_what_all_share_is_apart(counted: Counted) -> None:
    rows, others = counted
    own = {row.transport: {each.file for each in rows if each.transport == row.transport} for row in rows}
    assert {"transports/websocket.py", "loadtests/load/clients/websocket.py"} <= own["websocket"]
    assert {"transports/socketio.py", "transports/engine.py"} <= own["socketio"]
    shared = {row.file for row in others if not row.transport and row.part in ("server", "client")}
    assert {"transports/app.py", "transports/guard.py", "loadtests/load/clients/base.py"} <= shared
    for files in own.values():
        assert not files & shared
        assert not any(file.startswith("transports/direct/") for file in files), "the direct sink is apart"
    assert not {asdict(row)["file"] for row in others if row.part == "page client"} & shared


def test_counts_do_not_change_from_one_time_to_the_next(
    counted: Counted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "counts.json"
    assert main(["--out", str(out)]) == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["rows"] == [asdict(row) for row in counted[0]]
    assert document["others"] == [asdict(row) for row in counted[1]]
    assert [row["transport"] for row in document["needs"]] == list(records())
    assert "websocket  server" in capsys.readouterr().out


def test_needs_follow_the_code(tmp_path: Path) -> None:
    for folder in ("core", "transports"):
        (tmp_path / folder).mkdir()
    (tmp_path / "core" / "settings.py").write_text("heartbeat_s: float = field(default=7.0, metadata={})\n")
    (tmp_path / "transports" / "longpoll.py").write_text("DEFAULT_WAIT_S: Final = 33.0\n")
    found = need(records()["longpoll"], tmp_path)
    assert (found.resume, found.upstream) == ("?since=", "a POST beside it")
    assert "33 s" in found.proxy
    found = need(records()["websocket"], tmp_path)
    assert found.upstream == "the same connection"
    assert "7 s" in found.proxy
    (tmp_path / "transports" / "longpoll.py").write_text("")
    with pytest.raises(UnreadableSourceError, match=r"transports\.longpoll sets no DEFAULT_WAIT_S"):
        need(records()["longpoll"], tmp_path)


def test_a_folder_that_is_no_repository_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--source", str(tmp_path)]) == 1
    assert "no module transports.websocket below" in capsys.readouterr().err
