"""Evidence comes from the run's folder first; what is nowhere is None; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.errors import RunError
from loadtests.report import export
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import REFERENCE, Browser, gather
from tests.loadtests.report.verdicts import made


def test_what_is_nowhere_is_none(worked_out: Study, tmp_path: Path) -> None:
    found = gather(worked_out, tmp_path, tmp_path)
    assert [found.faults, found.foil, found.complexity, found.traits, found.browser_run, found.links] == [None] * 6
    assert found.cuts is None
    assert found.support is not None
    assert found.browsers == ()


def test_the_runs_own_folder_comes_before_the_reference(worked_out: Study, tmp_path: Path) -> None:
    own, reference = tmp_path / "own", tmp_path / "reference"
    for folder, commit in ((own, "fff0001"), (reference, "fff0002")):
        folder.mkdir()
        faults = msgspec.structs.replace(made.FAULTS, commit=commit)
        (folder / "faults.json").write_bytes(msgspec.json.encode(faults))
    (reference / "foil.json").write_bytes(msgspec.json.encode(made.FOIL))
    found = gather(worked_out, own, reference)
    assert found.faults is not None
    assert found.faults.commit == "fff0001"
    assert found.foil == made.FOIL


def test_a_link_runs_export_is_evidence(worked_out: Study, tmp_path: Path) -> None:
    export.write(tmp_path, worked_out)
    (tmp_path / export.JSON_FILE).rename(tmp_path / "links.json")
    links = gather(worked_out, tmp_path, tmp_path).links
    assert links is not None
    assert links.run_id == worked_out.run.run_id
    assert {record.transport for record in links.results} >= {"websocket", "sse"}
    assert any(record.p99_ms for record in links.results)


def test_what_cannot_be_read_is_named(worked_out: Study, tmp_path: Path) -> None:
    (tmp_path / "traits.json").write_text('{"rows": 3}', encoding="utf-8")
    with pytest.raises(RunError, match=r"traits\.json cannot be read as evidence"):
        gather(worked_out, tmp_path, tmp_path)


def test_the_committed_evidence_can_be_read(worked_out: Study, tmp_path: Path) -> None:
    found = gather(worked_out, tmp_path)
    assert found.faults is not None
    assert found.faults_of("half-open")
    assert found.traits is not None
    present = {path.name for path in REFERENCE.glob("*.json")}
    assert (found.foil is not None) is ("foil.json" in present)
    assert (found.complexity is not None) is ("complexity.json" in present)
    assert (found.cuts is not None) is ("cuts.json" in present)


def test_browsers_are_those_whose_examination_did_not_fail(worked_out: Study, tmp_path: Path) -> None:
    run = made.browser_run(worked_out.run, Browser("chromium", {"x": 1}), Browser("firefox", {"failed": "no start"}))
    (tmp_path / "browser.json").write_bytes(msgspec.json.encode(run))
    assert [browser.name for browser in gather(worked_out, tmp_path, tmp_path).browsers] == ["chromium"]
