"""Rows of servers that are not ours: named, beside ours of their protocol, and in no verdict on the guide."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Run
from loadtests.report import answer, export, guide_table, terminal, theirs
from loadtests.report.study import study
from loadtests.report.verdicts import choices, guide
from loadtests.report.verdicts.evidence import Evidence, gather
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import page_of
from tests.loadtests.report.synthetic import TRUTHS

FAST = replace(TRUTHS["websocket"], base_ms=0.01, cpu_us=TRUTHS["websocket"].cpu_us / 4)
SLOW = replace(TRUTHS["sse"], base_ms=40.0, cpu_us=TRUTHS["sse"].cpu_us * 3)


def make(folder: Path, ours: tuple[str, ...] = ("websocket", "sse")) -> None:
    """Make a run of ours, of a WebSocket server that is better than ours, and of an SSE server that is worse."""
    truths = {name: TRUTHS[name] for name in ours} | {"fast-websocket": FAST, "slow-sse": SLOW}
    synthetic.make_run(
        folder, synthetic.Plan(truths=truths, loads=(("50x10", 50, 10.0),), fan_out=(), blocks=2, measured_s=2.0)
    )
    path = folder / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    settings = {**run.manifest.get("settings", {}), "adapters": "fast-websocket, slow-sse"}
    targets = {
        "fast-websocket.protocol": "websocket",
        "fast-websocket.runs": "started by the lab",
        "fast-websocket.version": "fast 1.2",
        "slow-sse.protocol": "sse",
        "slow-sse.runs": "this machine",
        "slow-sse.program": "slowd",
    }
    manifest = {**run.manifest, "settings": settings, "targets": targets}
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, manifest=manifest)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("theirs")
    make(made)
    return made


@pytest.fixture(scope="module")
def evidence(folder: Path) -> Evidence:
    return gather(study(folder), folder)


SAID = (
    "Theirs, by an adapter each: fast-websocket (fast 1.2, started by the lab) and slow-sse (slowd, this machine). "
    "What is said of the guide is of our rows only."
)


def test_the_table_has_theirs_below_ours_and_says_who_they_are(evidence: Evidence) -> None:
    lines = terminal.table(guide_table.of(evidence.shown), theirs.servers(evidence.study.run)).splitlines()
    places = [next(n for n, line in enumerate(lines) if name in line) for name in ("websocket", "sse", "   theirs")]
    assert places == sorted(places)
    assert [line.split()[1][:4] for line in lines[places[-1] + 1 : places[-1] + 3]] == ["fast", "slow"]
    assert SAID in " ".join(terminal.sentences(evidence).split())


def test_no_verdict_looks_at_theirs(evidence: Evidence, tmp_path: Path) -> None:
    assert {result.condition.transport for result in evidence.study.results} == {"websocket", "sse"}
    assert set(evidence.study.memory) == {"websocket", "sse"}
    alone = replace(evidence, whole=evidence.study)
    assert guide.judged(evidence) == guide.judged(alone)
    assert choices.choices(evidence) == choices.choices(alone)
    assert answer.lead(evidence) == answer.lead(alone)
    assert "fast-websocket" not in answer.lead(evidence)
    assert "Servers that are not ours: fast-websocket" in answer.beyond(evidence)


def test_a_run_of_theirs_alone_is_shown(tmp_path: Path) -> None:
    make(tmp_path, ours=())
    alone = gather(study(tmp_path), tmp_path)
    assert alone.study is alone.shown
    assert theirs.sentence(alone.study.run) == SAID.partition(" What")[0]
    assert "   theirs" not in terminal.table(guide_table.of(alone.shown), theirs.servers(alone.study.run))
    assert "fast-websocket" in answer.lead(alone)
    assert theirs.peers(alone.study) == []


def test_theirs_stand_beside_ours_of_their_protocol(evidence: Evidence) -> None:
    found = theirs.peers(evidence.shown)
    assert [(peer.server.name, peer.plain.condition.transport) for peer in found] == [
        ("fast-websocket", "websocket"),
        ("slow-sse", "sse"),
    ]
    assert [peer.ratio("server_cpu_us") for peer in found] == [pytest.approx(1 / 4, rel=0.1), pytest.approx(3, rel=0.1)]
    said = theirs.peers_sentence(found)
    assert said.startswith("One protocol, other servers: over WebSocket fast-websocket 0.2")
    assert said.endswith("times the processor time of ours.")


def test_the_page_names_them_and_compares_the_stacks(folder: Path) -> None:
    page = page_of(folder)
    assert "Protocol or stack?" in page
    assert "through two sinks" not in page, "no server of ours ran in two ways"
    assert 'fast-websocket <em class="tag">theirs</em>' in page
    assert "fast 1.2" in page
    assert "--adapter fast-websocket.toml --adapter slow-sse.toml" in page


def test_records_say_whose_they_are(evidence: Evidence) -> None:
    records = {record["transport"]: record for record in export.records(evidence.shown)}
    assert records["websocket"]["whose"] == "ours"
    assert {key: value for key, value in records["slow-sse"].items() if key == "whose" or key.startswith("server_")} | {
        "server_cpu_us": 0
    } == {
        "whose": "theirs",
        "server_cpu_us": 0,
        "server_protocol": "sse",
        "server_runs": "this machine",
        "server_program": "slowd",
        "server_version": None,
    }
    (first, *_) = csv.DictReader(io.StringIO(export.as_csv(evidence.shown)))
    assert first["whose"] == "ours"
