"""Links in scenarios: written in one way, refused where they mean nothing, put under a whole scenario on demand."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records.errors import ScenarioError
from loadtests.records.link_spec import PROFILES
from loadtests.run import plan, scenario, targets
from tests.loadtests.run.test_scenario import GOOD, MEMORY, read

LINKED = GOOD.replace("[[cells]]", '[[cells]]\nlink = "3g"')


def test_a_profile_is_spelt_out_so_that_cells_are_compared_by_what_the_link_is(tmp_path: Path) -> None:
    assert read(tmp_path, LINKED).cells[0].link == str(PROFILES["3g"])
    assert read(tmp_path, GOOD).cells[0].link == "loopback"


def test_a_link_that_is_none_is_refused_with_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"mine\.toml: link 'dsl': there is no 'dsl'"):
        read(tmp_path, LINKED.replace("3g", "dsl"))


def test_memory_stays_on_the_loopback(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="link is rtt=50ms; allowed: loopback in a memory cell"):
        read(tmp_path, MEMORY.replace("[[cells]]", '[[cells]]\nlink = "rtt=50ms"'))


def test_a_link_goes_under_every_cell_that_can_have_one_and_has_none() -> None:
    before = scenario.find("compare")

    after = scenario.over_link(before, "rtt=0.2s")

    for old, new in zip(before.cells, after.cells, strict=True):
        kept = old.link != "loopback" or old.kind == "memory"
        assert new.link == (old.link if kept else "rtt=200ms")
        assert new.load == old.load
    assert any(cell.link == "rtt=200ms" for cell in after.cells)


def test_where_no_cell_can_have_a_link_none_is_promised() -> None:
    with pytest.raises(ScenarioError, match="idle has memory cells only"):
        scenario.over_link(scenario.find("idle"), "lan")


def test_what_is_scaled_out_has_no_link(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="without a link that could be scaled out"):
        scenario.scaled_out(read(tmp_path, LINKED))


def test_stragglers_get_the_time_that_their_link_takes(tmp_path: Path) -> None:
    grace_s = {}
    for link in ("loopback", "rtt=200ms", "rtt=200ms,loss=1%"):
        found = read(tmp_path, GOOD.replace("[[cells]]", f'[[cells]]\nlink = "{link}"'))
        grace_s[link] = plan.draw(found, targets.select(["websocket"]), seed=1)[0].grace_s

    assert grace_s["rtt=200ms"] == pytest.approx(grace_s["loopback"] + 0.4)
    assert grace_s["rtt=200ms,loss=1%"] > grace_s["rtt=200ms"] + 1
