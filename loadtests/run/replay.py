"""A published table as a file: its source, its figures, and how ours are taken. Values and reading only.

Files lie in `scenarios/replays/`. A row names one of our figures, by a name of `loadtests.evidence.replays.figures`,
of the cells of one transport and load; `over` divides it by another one's, `less` subtracts another one's.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records.errors import ScenarioError
from loadtests.records.replays import FixedBy
from loadtests.records.toml_file import TomlFiles
from loadtests.run import scenario as scenarios
from loadtests.run.scenario import Scenario

PROBES = ("scenario", "deflate", "streams")


class Published(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published figure, and which of ours stands beside it."""

    what: str
    published: float
    unit: str
    figure: str
    fixed_by: FixedBy
    of: str = ""  # "transport/load"; empty: the probe's own
    over: str = ""  # likewise: ours is divided by its figure
    less: str = ""  # likewise: its figure is subtracted from ours


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of `scenarios/replays/`."""

    name: str
    about: str
    source: str
    url: str
    date: str  # of the publication
    reading: str
    rows: tuple[Published, ...]
    probe: str = "scenario"  # one of PROBES: what takes the figures
    scenario: Scenario | None = None  # what is measured, where that is a scenario
    missing: str = ""  # an input that is not published: then nothing is measured


def _checked(replay: Replay) -> Replay:
    if replay.probe not in PROBES:
        raise ScenarioError(f"probe is {replay.probe}; allowed: {', '.join(PROBES)}")
    if (replay.probe == "scenario" and not replay.missing) != (replay.scenario is not None):
        raise ScenarioError("scenario is " + ("left out" if replay.scenario is None else "given") + "; allowed: the "
                            "other, since it belongs to the probe scenario and to no other")  # fmt: skip
    if replay.scenario is None:
        return replay
    measured = scenarios.spelt_out(replay.scenario)
    known = {f"{transport}/{cell.load.name}" for cell in measured.cells for transport in cell.transports}
    for row in replay.rows:
        for place in filter(None, (row.of, row.over, row.less)):
            if place not in known:
                raise ScenarioError(f"a row is of {place}; allowed: {', '.join(sorted(known))}")
    return msgspec.structs.replace(replay, scenario=measured)


FILES = TomlFiles(Path(__file__).parent / "scenarios" / "replays", Replay, "replay", ScenarioError, _checked)
