"""Replay files: those that come with the lab are sound, and what is wrong with another is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.evidence.replays import deflate, figures
from loadtests.records.errors import ScenarioError
from loadtests.run.replay import FILES

GOOD = """
name = "mine"
about = "mine"
source = "somebody"
url = "https://example.org"
date = "2026-01-01"
reading = "It means this."
[scenario]
name = "mine"
about = "mine"
[[scenario.cells]]
transports = ["sse"]
load = { name = "5x1", subscribers = 5, rate_per_s = 1.0 }
[[rows]]
what = "p99"
published = 3
unit = "ms"
figure = "p99_ms"
of = "sse/5x1"
fixed_by = "machine"
"""


@pytest.mark.parametrize("name", FILES.named())
def test_a_named_replay_is_sound_and_each_of_its_figures_can_be_taken(name: str) -> None:
    found = FILES.find(name)
    assert found.name == name
    assert found.url.startswith("https://")
    taken = {"scenario": set(figures.NAMES), "streams": {"held", "answered"}}
    taken["deflate"] = {f"{event}.{figure}" for event in deflate.EVENTS for figure in ("plain", "alone", "kept_saves")}
    assert {row.figure for row in found.rows} <= taken[found.probe]
    assert all(bool(row.of) is (found.probe == "scenario") for row in found.rows)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sse/5x1", "sse/5x2", "a row is of sse/5x2; allowed: sse/5x1"),
        ('fixed_by = "machine"', 'fixed_by = "machine"\nover = "sse/x"', "a row is of sse/x; allowed: sse/5x1"),
        ('fixed_by = "machine"', 'fixed_by = "luck"', "Invalid enum value 'luck'"),
        (
            'date = "2026-01-01"',
            'date = "2026-01-01"\nprobe = "odd"',
            "probe is odd; allowed: scenario, deflate, streams",
        ),
        ('date = "2026-01-01"', 'date = "2026-01-01"\nprobe = "deflate"', "scenario is given; allowed: the other"),
        ("subscribers = 5", "subscribers = 0", "subscribers is 0; allowed: 1..100000"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert FILES.find(str(path)).name == "mine"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError, match=said):
        FILES.find(str(path))
