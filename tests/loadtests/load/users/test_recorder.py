from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadtests.load.users import recorder as module
from loadtests.load.users.recorder import SAMPLE_COLUMNS, Publications, Recorder
from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, Phase


def _recorded() -> Recorder:
    recorder = Recorder("block-websocket-50x10")
    for scheduled_ns in (99, 100, 199, 200):
        recorder.add((scheduled_ns, *range(1, len(SAMPLE_COLUMNS))))
    for publisher, count in ((0, 2), (3, 0), (5, 3)):
        publications = Publications(publisher, room=publisher + 1)
        recorder.publications.append(publications)
        for message in range(count):
            publications.add(scheduled_ns=100 + message, sent_ns=110 + message)
    recorder.publications[2].accept(1, accepted_ns=150, offset=42)
    recorder.publications[2].refuse(0, refused_ns=160)
    return recorder


def test_what_was_recorded_is_what_is_written(tmp_path: Path) -> None:
    _recorded().write(tmp_path, from_ns=100, to_ns=200)
    samples = pq.read_table(tmp_path / "samples.parquet")
    assert samples.schema.equals(SAMPLES)
    assert samples.column("scheduled_ns").to_pylist() == [99, 100, 199, 200]
    assert samples.column("phase").to_pylist() == [Phase.WARM_UP, Phase.MEASURED, Phase.MEASURED, Phase.WARM_UP]
    row = samples.slice(1, 1).to_pylist()[0]
    assert [row[name] for name in SAMPLE_COLUMNS] == [100, *range(1, len(SAMPLE_COLUMNS))]
    assert row["cell"] == "block-websocket-50x10"

    publishes = pq.read_table(tmp_path / "publishes.parquet")
    assert publishes.schema.equals(PUBLISHES)
    assert [tuple(row.values())[1:] for row in publishes.to_pylist()] == [
        (0, 0, 1, 100, 110, ABSENT_NS, -1, Phase.MEASURED, ABSENT_NS),
        (0, 1, 1, 101, 111, ABSENT_NS, -1, Phase.MEASURED, ABSENT_NS),
        (5, 0, 6, 100, 110, ABSENT_NS, -1, Phase.MEASURED, 160),
        (5, 1, 6, 101, 111, 150, 42, Phase.MEASURED, ABSENT_NS),
        (5, 2, 6, 102, 112, ABSENT_NS, -1, Phase.MEASURED, ABSENT_NS),
    ]


def test_what_another_clock_stamped_belongs_to_the_phase_it_came_in(tmp_path: Path) -> None:
    recorder = Recorder("c")
    for user_rx_ns in (99, 100, 250):
        recorder.add((ABSENT_NS, ABSENT_NS, ABSENT_NS, user_rx_ns, *range(4, len(SAMPLE_COLUMNS))))
    recorder.write(tmp_path, from_ns=100, to_ns=200)
    phases = pq.read_table(tmp_path / "samples.parquet").column("phase").to_pylist()
    # Nothing is due after the phase: what comes later belongs to it.
    assert phases == [Phase.WARM_UP, Phase.MEASURED, Phase.MEASURED]


def test_an_empty_recorder_writes_empty_tables(tmp_path: Path) -> None:
    Recorder("c").write(tmp_path, 0, 1)
    assert pq.read_table(tmp_path / "samples.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "publishes.parquet").schema.equals(PUBLISHES)


def test_refused_and_unanswered_are_two_counts_of_the_window() -> None:
    recorder = _recorded()
    assert recorder.failed(100, 200) == (1, 3)
    assert recorder.failed(101, 102) == (0, 1)


def test_a_full_recorder_counts_what_it_does_not_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    recorder = _recorded()
    assert (recorder.deliveries, recorder.dropped) == (4, 1)
    assert len(recorder.rows) == 3 * len(SAMPLE_COLUMNS)


def test_an_acknowledgement_of_a_message_never_sent_is_an_error() -> None:
    with pytest.raises(IndexError):
        Publications(0, 0).accept(0, 1, 1)


def test_each_publication_is_settled_once_with_an_answer_or_when_it_is_overdue() -> None:
    publications = Publications(0, 0)
    for due_ns in (100, 200, 300, 400, 450):
        publications.add(due_ns, due_ns)
    publications.accept(0, 150, 7)
    publications.refuse(1, 250)
    assert list(publications.settled(100)) == [(100, 150)]
    assert list(publications.settled(350)) == [(300, ABSENT_NS)]
    publications.accept(2, 900, 8)  # late, and was overdue
    publications.accept(4, 460, 9)
    assert list(publications.settled(400)) == [], "the one before is still waited for"
    assert list(publications.settled(500)) == [(400, ABSENT_NS), (450, 460)]
    assert list(publications.settled(500)) == []
