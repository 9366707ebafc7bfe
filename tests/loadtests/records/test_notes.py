"""What happened to connections: the same text once, with its count, however long the cell runs."""

from __future__ import annotations

from collections import Counter

from loadtests.records import notes


def test_texts_that_differ_in_stamps_and_long_numbers_are_one() -> None:
    counts: Counter[str] = Counter()
    notes.add(counts, "not an event: b'T0.1.1000.2000.xxxx' at 123456789")
    notes.add(counts, "not an event:\n b'T0.2.1050.2050.xx' at 987654321")
    notes.add(counts, "closed (4000)")
    notes.add(counts, "closed (4001)")
    assert counts == {"not an event: b'…' at …": 2, "closed (4000)": 1, "closed (4001)": 1}


def test_a_server_that_words_each_refusal_anew_fills_no_memory_and_loses_no_count() -> None:
    counts: Counter[str] = Counter()
    for number in range(2000):
        notes.add(counts, f"{'long ' * 100}" if number == 0 else f"refusal {number}")
    assert len(counts) <= 501
    kept = notes.most(counts)
    assert len(kept) == notes.MOST_KINDS
    assert sum(kept.values()) == 2000
    assert all(len(text) <= 200 for text in kept)


def test_few_kinds_are_kept_as_they_are() -> None:
    assert notes.most({"b": 1, "a": 3}) == {"a": 3, "b": 1}
    assert notes.most({}) == {}


def test_cells_are_added_up_and_said_the_most_frequent_first() -> None:
    merged = notes.merged([{"a": 1, "b": 4}, {}, {"a": 2, "c": 1}])
    assert notes.in_words(merged) == "4 x b; 3 x a; 1 x c"
    assert notes.in_words(merged, show=1) == "4 x b; 2 more in run.json"
    assert notes.in_words({}) == ""
