"""The document shows the reference bench that is in the repository, or says that there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.evidence.bench.charts import delivery_costs_us, draw_rooms, over_redis_us
from loadtests.evidence.bench.document import DOCUMENT, RESULTS, fast_path_statements, glance, replaced, tables
from loadtests.records.errors import RunError
from tests.loadtests.evidence.bench.test_summary import ROWS, row


def test_document_shows_the_reference_bench() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(text, glance(RESULTS), tables(RESULTS)) == text, "run: python -m loadtests.evidence.bench.document"


def test_a_bench_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert glance(tmp_path / "bench") == tables(tmp_path / "bench")
    assert tables(tmp_path / "bench").startswith("This repository keeps no reference run yet")


def kept(folder: Path, name: str, ended_utc: str, **more: object) -> None:
    machine = {"python": "3.11.9", "platform": "Linux", "cores": 2}
    content = {"ended_utc": ended_utc, "extent": "full", "repeats": 5, "machine": machine, "rows": ROWS, **more}
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_a_bench_is_shown_with_its_origin_and_memory_where_there_is_one(tmp_path: Path) -> None:
    kept(tmp_path, "bench", "2026-01-02T03:04:05+00:00")
    text = tables(tmp_path)
    assert text.startswith("2026-01-02T03:04:05+00:00; full extent, 5 repeats; Python 3.11.9, Linux, 2 cores.\n")
    assert "The bench took" not in text
    assert "### Who is the bottleneck" not in text
    (tmp_path / "memory.md").write_text("| memory |\n")
    assert tables(tmp_path).endswith("connection\n\n| memory |\n")


def test_how_long_it_took_and_how_large_the_fast_path_was_is_shown_where_it_was_kept(tmp_path: Path) -> None:
    kept(tmp_path, "bench", "2026-01-02", took_s={"rooms": 90.0, "joins": 30.0}, fast_path_statements=1234)
    text = tables(tmp_path)
    assert "The bench took 2.0 minutes (rooms 1.5, joins 0.5). The fast path (`transports/direct`) has 1,234" in text


def test_statements_of_the_fast_path_are_counted() -> None:
    assert 1000 < fast_path_statements() < 2000


def test_how_cost_grows_stands_after_the_bench_with_an_origin_of_its_own(tmp_path: Path) -> None:
    kept(tmp_path, "bench", "2026-02-03", commit="1a2b3c4")
    kept(tmp_path, "growth", "2026-01-02")
    (tmp_path / "growth.md").write_text("| growth |\n")
    text = tables(tmp_path)
    assert text.startswith("2026-02-03, commit 1a2b3c4; full extent")
    assert text.index("### Bars") < text.index("### How cost grows\n\n2026-01-02; ") < text.index("| growth |")


def test_cost_per_delivery_is_a_message_s_share_by_the_size_of_the_room(tmp_path: Path) -> None:
    rows = [
        row("direct", repeat, "sse/rooms-100x10", us_per_msg=cost, members=10) for repeat, cost in enumerate((90, 110))
    ]
    rows += [
        row("direct", 0, "sse/rooms-1x4-r400-redis", us_per_msg=800, redis_us_per_msg=80, members=4),
        row("direct", 0, "sse/n1000-w1-128B", us_per_del=8.0),
        row("nchan", 0, "sse/n1000-w1-128B", us_per_del=9.0),
    ]
    assert delivery_costs_us(rows, "sse", "direct") == {10: 10.0, 1000: 8.0}
    assert over_redis_us(rows, "sse", "direct") == [(4, 220.0)]
    draw_rooms(rows, tmp_path / "rooms.svg")
    assert "members of the room" in (tmp_path / "rooms.svg").read_text(encoding="utf-8")


def test_a_folder_without_a_bench_in_it_is_no_bench(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tables(tmp_path)


def test_document_without_a_place_for_the_results_is_refused() -> None:
    with pytest.raises(RunError, match="no place"):
        replaced("text", "at a glance", "results")
