"""What stands in the way, for readers: verdicts, cures, and what a heartbeat was worth."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.errors import RunError
from loadtests.records.middleboxes import FILE, SCHEMA, Middleboxes, Row, Seen, load
from loadtests.report import palette
from loadtests.report.charts.boxes import passages
from loadtests.report.charts.drawing import SCREEN
from loadtests.report.middleboxes import cell, heartbeat_words, render_text, sentence
from loadtests.report.middleboxes_part import part


def row(
    transport: str, words: str = "passes", *, cure: tuple[str, ...] = (), cured: bool = False, seen: Seen | None = None
) -> Row:
    return Row(
        box="nginx", version="1.22.1", transport=transport, seen=seen or Seen(joined=True), words=words, cure=cure,
        verdict=words.partition(" ")[0].rstrip(":"), cured=cured,
    )  # fmt: skip


def run(*rows: Row, missing: tuple[str, ...] = ()) -> Middleboxes:
    return Middleboxes(
        schema=SCHEMA, commit="abc", form="scaled", started_utc="2026-01-01T00:00:00+00:00", elapsed_s=1.0,
        heartbeat_s=1.0, timeout_s=4.0, rows=rows, missing=missing,
    )  # fmt: skip


REFUSED = row("websocket", "refused: handshake refused (400)", cure=("proxy_http_version 1.1;",), cured=True)
UNCURED = msgspec.structs.replace(REFUSED, cured=False)
HOPELESS = row("sse", "held: nothing came")


def test_the_sentence_says_what_passes_and_how_many_of_the_rest_are_cured() -> None:
    found = run(REFUSED, HOPELESS, row("longpoll"))
    assert sentence(found) == (
        "Long polling passed all 1 unconfigured boxes; 1 of the 2 rows that did not pass did so with the settings "
        "named below."
    )
    assert sentence(run(REFUSED)).startswith("No transport passed all")


def test_a_row_that_does_not_pass_says_its_cure_or_that_there_is_none() -> None:
    said = render_text(run(REFUSED, HOPELESS, UNCURED, missing=("Caddy: NOT INSTALLED",)))
    assert "cured by: proxy_http_version 1.1;" in said
    assert "NOT CURED by: proxy_http_version 1.1;" in said
    assert "no cure: no setting here is known to help" in said
    assert "!! Caddy: NOT INSTALLED" in said
    assert [cell(each) for each in (row("sse"), REFUSED, UNCURED, HOPELESS)] == [
        "passes",
        "refused: handshake refused (400); cured",
        "refused: handshake refused (400); NOT cured",
        "held: nothing came; no cure known",
    ]


def test_a_control_that_does_not_pass_takes_the_belief_from_all_rows() -> None:
    control = msgspec.structs.replace(HOPELESS, box="none")
    assert "!! Server-Sent Events did not pass with nothing in the way" in render_text(run(control, REFUSED))
    assert "nothing in the way" not in render_text(run(REFUSED))


def test_the_chart_fills_what_passes_and_halves_what_settings_cure() -> None:
    figure = passages(run(row("longpoll"), REFUSED, HOPELESS, msgspec.structs.replace(HOPELESS, box="none")), SCREEN)
    assert figure is not None
    (axis,) = figure.axes
    drawn = {line.get_color(): line.get_fillstyle() for line in axis.lines}
    fills = {name: drawn[palette.look(name).light] for name in ("longpoll", "websocket", "sse")}
    assert fills == {"longpoll": "full", "websocket": "left", "sse": "none"}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["nginx"]
    assert passages(run(msgspec.structs.replace(HOPELESS, box="none")), SCREEN) is None


def test_a_heartbeat_is_worth_what_was_cut_without_it() -> None:
    cut = Seen(joined=True, silent_asked=True, silent_cut_s=4.02)
    kept = Seen(joined=True, silent_asked=True)
    assert heartbeat_words(run(row("sse", seen=cut), row("websocket", seen=kept))) == (
        "Without heartbeats 1 of 2 silent connections behind boxes were cut, the first after 4.02 s; with one each 1 s "
        "2 of 2 stayed open."
    )
    assert heartbeat_words(run(row("sse", seen=kept))) == ""


def test_a_file_is_read_back_and_a_foreign_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(msgspec.json.encode(run(REFUSED)))
    assert load(path) == run(REFUSED)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run(), schema=SCHEMA + 1)))
    with pytest.raises(RunError, match="this lab reads"):
        load(path)
    path.write_text("{}")
    with pytest.raises(RunError, match="cannot be read as a run of middleboxes"):
        load(path)


def test_the_report_reads_the_runs_own_file(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert part(None, tmp_path, nowhere) is None  # type: ignore[arg-type]
    (tmp_path / FILE).write_bytes(msgspec.json.encode(run(REFUSED)))
    found = part(None, tmp_path, nowhere)  # type: ignore[arg-type]
    assert found is not None
    assert found.found == run(REFUSED)
    assert found.draw(SCREEN) is not None
