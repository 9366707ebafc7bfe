"""A scenario: which transports, which loads, how often. Named ones lie in `scenarios/` as TOML.

Values and reading only. A scenario file has the same shape whoever wrote it:

    name = "fan-out"
    about = "latency against the size of the room"
    blocks = 2

    slo = { p99_ms = 50.0 }

    [[cells]]
    kind = "latency"
    measured_s = 3.0
    load = { name = "50x10", subscribers = 50, rate_per_s = 10.0 }
    sweep = { payload_bytes = [128, 1024] }    # one cell for each, named 50x10-payload_bytes128 and so on
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path

import msgspec

from loadtests.records.cell_spec import DIRECTIONS, DOWNSTREAM, ECHO, Load, Slo
from loadtests.records.disruption import Disruption
from loadtests.records.errors import ScenarioError
from loadtests.records.link_spec import LOOPBACK, canonical
from loadtests.records.repeats import SUFFIX
from loadtests.records.toml_file import TomlFiles

ARRIVALS = ("constant", "poisson", "burst")
BUDGET = "budget"  # cells whose server stamps the steps of each event
ABLATION = "ablation"  # a load as another one, but for one thing about the server
CUT = "cut"  # cells whose subscribers are cut and come back: those with `disrupt`
KINDS = ("latency", "fan-out", "memory", "stack", "sweep", BUDGET, ABLATION, CUT)
SCALED = "scaled"  # a kind that no file asks for: `scaled_out` adds its cells
SCALED_SUFFIX = "-redis"
FANOUTS = ("", "direct", "portable")
LOOPS = ("", "asyncio", "uvloop")

SWEPT = {"subscribers": int, "rooms": int, "publishers": int, "rate_per_s": float, "payload_bytes": int}
"""Fields of the load that may be swept, with the type of their values."""

_CUTS = "{ up_s = 15, spread_s = 3, offline_s = 2 }"
_NAME = "[A-Za-z0-9_.-]{1,64}"
_DAY_S = 86_400
_RANGES = {
    "blocks": (1, 1000, ""),
    "users": (1, 100_000, ""),
    "warm_up_s": (0, _DAY_S, " seconds"),
    "measured_s": (0.1, _DAY_S, " seconds"),
    "grace_s": (0, _DAY_S, " seconds"),
    "coalesce_ms": (0, 1000, ""),
    "subscribers": (1, 100_000, ""),
    "publishers": (1, 1000, ""),
    "payload_bytes": (64, 4096, ""),
    "poll_interval_s": (0.01, _DAY_S, " seconds"),
    "poll_wait_s": (0, 55, ""),
}
"""Least and greatest value of each field, whether it is the scenario's, a cell's or a load's, and their unit."""


class CellPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One load to be put on every transport of the scenario; absent times come from the scenario."""

    load: Load
    kind: str = "latency"  # one of KINDS, or SCALED: which chart it belongs to
    blocks: int | None = None
    warm_up_s: float | None = None
    measured_s: float | None = None
    hold_s: float = 0.0  # memory cells: how long the idle connections are held
    fanout: str = ""  # one of FANOUTS: how the server writes to its sockets; empty: as it does by itself
    stamps: bool = False  # its servers stamp, though it is not of the kind BUDGET; no file may ask for it
    coalesce_ms: float = 0.0  # how long the server collects a room's events before it writes them; 0: as by itself
    deflate: bool = False  # the server compresses WebSocket messages, and the clients ask for it
    tls: bool = False  # the clients come by https and wss
    loop: str = ""  # one of LOOPS: the server's event loop; empty: as it does by itself
    against: str = ""  # cells of the kind ABLATION: the name of the load that they change one thing of
    transports: tuple[str, ...] = ()  # only these of the scenario's; empty: all
    link: str = LOOPBACK  # between server and subscribers, see `records.link_spec`; a profile's name is spelt out
    disrupt: Disruption | None = None  # subscribers are cut and come back; such a cell is of the kind CUT
    resume: bool = True  # whether a client that comes back says where it was
    sweep: dict[str, tuple[int | float, ...]] = {}  # values for fields of the load: a cell for each combination


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole experiment, as its TOML file says it."""

    name: str
    about: str
    cells: tuple[CellPlan, ...]
    transports: tuple[str, ...] = ()  # empty: every transport the lab knows; "default": those compared by default
    blocks: int = 2  # how often each cell is repeated, in an order drawn anew for each block
    warm_up_s: float = 1.0
    measured_s: float = 3.0
    grace_s: float = 0.5
    users: int = 10  # user ids the connections share, so that joining does not make N^2 presence events
    slo: Slo | None = None  # what every tabled condition is held to
    calibrate: bool = False  # a short calibration precedes the first cell


def find(name_or_path: str) -> Scenario:
    """Return the scenario called `name_or_path`, or the one in the TOML file of that path. Raises ScenarioError."""
    return FILES.find(name_or_path)


def spelt_out(scenario: Scenario) -> Scenario:
    """Return the scenario, checked, with a cell for each combination of its sweeps and each cell's publishers."""
    cells = (
        msgspec.structs.replace(cell, load=_peopled(load), sweep={}, link=canonical(cell.link), kind=_kind_of(cell))
        for cell in scenario.cells
        for load in _swept(cell.load, cell.sweep)
    )
    scenario = msgspec.structs.replace(scenario, cells=tuple(cells))
    check(scenario)
    return scenario


def _kind_of(cell: CellPlan) -> str:
    return CUT if cell.disrupt is not None and cell.kind == "latency" else cell.kind


FILES = TomlFiles(Path(__file__).with_name("scenarios"), Scenario, "scenario", ScenarioError, spelt_out)


def _swept(load: Load, sweep: Mapping[str, Sequence[int | float]]) -> Iterator[Load]:
    """Yield the load with each combination of values, named after them; the load itself without a sweep."""
    for field, values in sweep.items():
        if field not in SWEPT:
            raise ScenarioError(f"sweep has the field {field}; allowed: {', '.join(SWEPT)}")
        _need(bool(values), f"sweep.{field}", "empty", "at least one value")
        for value in values:
            if SWEPT[field] is int and not isinstance(value, int):
                raise ScenarioError(f"sweep.{field} holds {value}; allowed: whole numbers")
    for combination in product(*sweep.values()):
        given = dict(zip(sweep, combination, strict=True))
        name = "-".join((load.name, *(f"{field}{value:g}" for field, value in given.items())))
        yield msgspec.convert({**msgspec.structs.asdict(load), **given, "name": name}, Load)


def _peopled(load: Load) -> Load:
    """Return the load with its publishers per room: every subscriber of the room, unless publishers are apart."""
    if load.direction == DOWNSTREAM:
        return load
    _need(load.publishers == 1, "publishers", load.publishers, f"left out where the direction is {load.direction}")
    rooms = load.subscribers if load.direction == ECHO else load.rooms
    _need(load.rooms in (1, rooms), "rooms", load.rooms, f"left out, or {rooms}, where the direction is echo")
    _need(
        1 <= rooms <= load.subscribers and load.subscribers % rooms == 0,
        "subscribers",
        load.subscribers,
        f"a multiple of the rooms ({rooms}) where everybody talks",
    )
    return msgspec.structs.replace(load, rooms=rooms, publishers=load.subscribers // rooms)


def check(scenario: Scenario) -> None:
    """Raise ScenarioError unless every value is one that can be run."""
    _check_name("name", scenario.name)
    _need(bool(scenario.cells), "cells", "none", "at least one [[cells]]")
    _check_ranges(scenario)
    if scenario.slo is not None:
        scenario.slo.check()
    for cell in scenario.cells:
        _check_cell(cell)
        _check_against(cell, scenario)
    _check_names(scenario)


def scaled_out(scenario: Scenario) -> Scenario:
    """Return the scenario with one load more: its busiest latency cell, for a server of several processes on Redis.

    It is repeated as often as a `stack` cell of the scenario, else as the cell it is made from. ScenarioError when
    there is no such cell, or when the load's name is taken.
    """
    tabled = [cell for cell in scenario.cells if cell.kind == "latency" and cell.link == LOOPBACK]
    if not tabled:
        raise ScenarioError(
            f"the scenario {scenario.name} has no cell of the kind latency without a link that could be scaled out"
        )
    busiest = max(tabled, key=lambda cell: cell.load.subscribers * cell.load.rate_per_s)
    stacks = [cell.blocks for cell in scenario.cells if cell.kind == "stack"]
    load = msgspec.structs.replace(busiest.load, name=busiest.load.name + SCALED_SUFFIX)
    stamps = any(cell.kind == BUDGET for cell in scenario.cells)
    blocks = stacks[0] if stacks else busiest.blocks
    added = msgspec.structs.replace(busiest, kind=SCALED, load=load, blocks=blocks, stamps=stamps)
    _check_load(load)
    extended = msgspec.structs.replace(scenario, cells=(*scenario.cells, added))
    _check_names(extended)
    return extended


def over_link(scenario: Scenario, link: str) -> Scenario:
    """Return the scenario with every cell that has no link of its own put behind `link`, but for memory cells.

    Raises ScenarioError for a text that is no link, and where there is no such cell.
    """
    text = canonical(link)
    if all(cell.kind == "memory" for cell in scenario.cells):
        raise ScenarioError(f"the scenario {scenario.name} has memory cells only: nothing can be put behind a link")
    cells = (
        msgspec.structs.replace(cell, link=text) if cell.link == LOOPBACK and cell.kind != "memory" else cell
        for cell in scenario.cells
    )
    return msgspec.structs.replace(scenario, cells=tuple(cells))


def over_tls(scenario: Scenario) -> Scenario:
    """Return the scenario for servers that speak TLS in every cell: without the cells that only add TLS to others."""
    cells = tuple(cell for cell in scenario.cells if not cell.tls)
    return msgspec.structs.replace(scenario, cells=cells or scenario.cells)


def _check_names(scenario: Scenario) -> None:
    pairs = combinations(scenario.cells, 2)
    twice = sorted({a.load.name for a, b in pairs if a.load.name == b.load.name and not _shared_out(a, b)})
    _need(not twice, "load.name", ", ".join(twice), "a name of its own for each load")


def _shared_out(a: CellPlan, b: CellPlan) -> bool:
    """Whether two cells are one load, measured differently often for different transports."""
    ours, theirs = set(a.transports), set(b.transports)
    return a.load == b.load and bool(ours and theirs) and ours.isdisjoint(theirs)


def _check_against(cell: CellPlan, scenario: Scenario) -> None:
    """Hold a cell of the kind ABLATION to a load that is the same but for its name."""
    if cell.kind != ABLATION:
        _need(not cell.against, "against", cell.against, f"left out in cells of the kind {cell.kind}")
        return
    others = {other.load.name: other.load for other in scenario.cells if other.kind != ABLATION}
    _need(cell.against in others, "against", cell.against or "left out", f"one of {', '.join(others)}")
    named = msgspec.structs.replace(others[cell.against], name=cell.load.name)
    _need(named == cell.load, f"the load {cell.load.name}", "another load", f"that of {cell.against}, but for the name")


def _check_cell(cell: CellPlan) -> None:
    load = cell.load
    _need(cell.kind in KINDS, "kind", cell.kind, ", ".join(KINDS))
    _need(not cell.stamps, "stamps", cell.stamps, f"left out: servers stamp in cells of the kind {BUDGET}")
    _need(cell.fanout in FANOUTS, "fanout", cell.fanout, ", ".join(filter(None, FANOUTS)))
    _need(cell.loop in LOOPS, "loop", cell.loop, ", ".join(filter(None, LOOPS)))
    _check_ranges(cell)
    if cell.kind == "memory":
        _need(0.5 <= cell.hold_s <= _DAY_S, "hold_s", cell.hold_s, f"0.5..{_DAY_S} seconds")
        _need(load.rate_per_s == 0, "rate_per_s", load.rate_per_s, "0 in a memory cell")
        _need(cell.link == LOOPBACK, "link", cell.link, f"{LOOPBACK} in a memory cell")
    else:
        _need(cell.hold_s == 0, "hold_s", cell.hold_s, "0 outside memory cells")
        _need(0 < load.rate_per_s <= 100_000, "rate_per_s", load.rate_per_s, "above 0, at most 100000")
    _check_load(load)
    _check_cuts(cell)


def _check_cuts(cell: CellPlan) -> None:
    if cell.disrupt is None:
        _need(cell.kind != CUT, "disrupt", "left out", f"a table like {_CUTS} in a cell of the kind {CUT}")
        _need(cell.resume, "resume", "false", "left out, or true, in a cell without disrupt")
        return
    cell.disrupt.check()
    _need(cell.kind == CUT, "disrupt", "given", f"left out in a cell of the kind {cell.kind}")
    _need(
        cell.load.direction == DOWNSTREAM,
        "direction",
        cell.load.direction,
        f"{DOWNSTREAM} in a cell with disrupt: whoever publishes is not cut",
    )


def _check_load(load: Load) -> None:
    _check_name("load.name", load.name)
    _need(not load.name.endswith(SUFFIX), "load.name", load.name, f"an end other than {SUFFIX}, which marks repeats")
    _check_ranges(load)
    _need(1 <= load.rooms <= load.subscribers, "rooms", load.rooms, f"1..{load.subscribers} (subscribers)")
    _need(load.direction in DIRECTIONS, "direction", load.direction, ", ".join(DIRECTIONS))
    _need(load.arrivals in ARRIVALS, "arrivals", load.arrivals, ", ".join(ARRIVALS))


def _check_name(field: str, name: str) -> None:
    _need(re.fullmatch(_NAME, name) is not None, field, name, _NAME)


def _check_ranges(values: Scenario | CellPlan | Load) -> None:
    for field, (least, greatest, unit) in _RANGES.items():
        value = getattr(values, field, None)
        if value is not None:
            _need(least <= value <= greatest, field, value, f"{least}..{greatest}{unit}")


def _need(condition: bool, field: str, value: object, allowed: str) -> None:
    if not condition:
        raise ScenarioError(f"{field} is {value}; allowed: {allowed}")
