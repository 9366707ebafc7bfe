"""The model of a storm: what it says, what a residual is called, and the sentence that a reader can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records import storm as records
from loadtests.records.storm import KILL, Cut, Latency, Storm, Storms
from loadtests.report import page, storm_part
from loadtests.report import storm as report
from loadtests.report.charts.drawing import WIDE
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only


def _cut(back_s: float, *, noticed_s: float = 0.0, refused: int = 0, p99_ms: float = 10.0) -> Cut:
    return Cut(
        clients=1000, noticed_s=noticed_s, back_50_s=back_s / 2, back_99_s=back_s, back_100_s=back_s,
        unrefused_100_s=back_s - (0.5 if refused else 0.0), refused=refused,
        replayed=5, bystanders=Latency(2000, p99_ms), server_us_per_join=900.0, redis_us_per_join=200.0,
        server_busy=0.95, lab_busy=0.4,
    )  # fmt: skip


def _storm(ratio: float, window_s: float, cut: Cut, *, lost: int = 0) -> Storm:
    return Storm(
        transport="websocket", kind=KILL, repeat=0, window_ratio=ratio, window_s=window_s, cuts=(cut,),
        calm=Latency(5000, 4.0), gap_50_s=0.5, gap_99_s=1.0, gap_100_s=1.0, published=100, late_p99_ms=None,
        lost=lost, doubled=0, told_gaps=0,
    )  # fmt: skip


def _storms(*storms: Storm) -> Storms:
    u = _storm(0.0, 0.0, _cut(1.0))  # 1,000 joins a second
    return Storms(run_id="r", commit="c", clients=1000, rooms=50, rate_per_s=2.0, redis="own", storms=(u, *storms))


@pytest.mark.parametrize(("window_s", "expected_s"), [(0.5, 1.0), (1.0, 1.0), (4.0, 4.0)])
def test_the_model_is_the_longer_of_window_and_admission(window_s: float, expected_s: float) -> None:
    (found,) = report.recoveries(_storms(_storm(1.0, window_s, _cut(expected_s))))
    assert (found.expected_s, found.least_s, found.joins_per_s) == (expected_s, 1.0, 1000.0)
    assert found.holds
    assert found.cause == ""


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (_cut(4.3, noticed_s=0.4), "to notice 0.3"),
        (_cut(4.8, noticed_s=0.4, refused=7), "7 refused attempts 0.5"),
        (_cut(4.8, noticed_s=0.4), "unexplained 0.38"),
        (_cut(3.5), "admitted faster"),
    ],
)
def test_a_residual_has_a_name_or_is_called_unexplained(cut: Cut, words: str) -> None:
    (found,) = report.recoveries(_storms(_storm(4.0, 4.0, cut)))
    assert not found.holds
    assert words in found.cause


def test_the_sentence_gives_the_window_and_what_half_of_it_costs_the_others() -> None:
    storms = _storms(_storm(0.5, 0.5, _cut(1.0, p99_ms=300.0)), _storm(1.0, 1.0, _cut(1.02, p99_ms=20.0)))
    said = report.sentence(storms)
    assert "here 1.00 s for 1,000 clients" in said
    assert "half of that brought nobody back sooner, and the others' p99 was 300 ms, not 20.0" in said
    assert report.sentence(_storms()) == ""
    disturbed = _storms(_storm(0.5, 0.5, _cut(1.0, p99_ms=20.0)), _storm(1.0, 1.0, _cut(9.0, p99_ms=300.0)))
    assert "p99" not in report.sentence(disturbed)


def test_the_sentence_does_not_say_that_nobody_was_back_sooner_where_some_were() -> None:
    storms = _storms(_storm(0.5, 0.5, _cut(1.0, p99_ms=300.0)), _storm(1.0, 1.0, _cut(1.2, p99_ms=20.0)))
    said = report.sentence(storms)
    assert "sooner" not in said
    assert "within half of that the others' p99 was 300 ms, not 20.0" in said


def test_the_chart_has_room_for_every_mark() -> None:
    figure = storm_part.draw(_storms(_storm(4.0, 9.0, _cut(9.0))), WIDE)
    assert figure is not None
    low, high = figure.axes[0].get_xlim()
    assert low < 9.0 < high


def test_a_lost_event_is_an_offence_and_is_printed() -> None:
    storms = _storms(_storm(1.0, 1.0, _cut(1.0), lost=1))
    assert report.offences(storms) == ("websocket kill: 1 lost, 0 doubled, 0 gaps announced",)
    assert "1 lost" in report.render_text(storms)
    assert report.offences(_storms()) == ()


def test_the_report_shows_the_storms_beside_the_run_with_chart_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, field=(storm_part.part,))
    synthetic.make_run(tmp_path, synthetic.TINY)
    storms = _storms(_storm(0.5, 0.5, _cut(1.0)), _storm(4.0, 4.0, _cut(4.8, noticed_s=0.4)))
    records.write(tmp_path, storms)
    assert records.read(tmp_path) == storms
    text = page.write(tmp_path).read_text(encoding="utf-8")
    section = text[text.index('<h3 id="h-storm">') :]
    assert "here 1.00 s for 1,000 clients" in section
    assert "+0.0 %" in section
    assert "+20.0 %: to notice 0.4" in section
    assert (tmp_path / "charts" / "storm.svg").is_file()
