"""`rtlab run middleboxes`: passes, progress, the table, `middleboxes.json` in a run folder, the exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from loadtests.evidence.middleboxes.peers import ASKED, GRID_S
from loadtests.evidence.middleboxes.site import Site
from loadtests.evidence.middleboxes.trial import Steps, Trial
from loadtests.evidence.middleboxes.verdicts import Judgement, judge
from loadtests.records.errors import Interrupted, LabError, UsageError
from loadtests.records.middleboxes import CONTROL, FILE, SCHEMA, Middleboxes, Row, Seen
from loadtests.records.store import write_atomically
from loadtests.report.conclude import INTERRUPTED, OK, SOME_INVALID
from loadtests.report.middleboxes import render_text
from loadtests.run import boxes, manifest
from loadtests.run.boxes import Program, Setting, Variant, box
from loadtests.run.boxes.box import Box, Timing
from loadtests.run.process import interruptible
from loadtests.run.servers import HOST, Server, ServerSettings, free_port

SHORT_POLL = "shortpoll"
_PASSES = 3  # as they come; with cures; with the cures of what only showed then
_MAX_SAME_SECOND = 100
_SCALED = Timing(heartbeat_s=1.0, timeout_s=4.0, slow_s=30.0, scaled=True)
_FULL = Timing(heartbeat_s=15.0, timeout_s=60.0, slow_s=600.0, scaled=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is tried."""

    runs_folder: Path
    full: bool = False
    transports: tuple[str, ...] = ()  # empty: all that these boxes can carry
    boxes: tuple[str, ...] = ()  # names of variants; empty: all

    @property
    def timing(self) -> Timing:
        """The run's seconds."""
        return _FULL if self.full else _SCALED


@dataclass(slots=True)
class Plan:
    """One box and its settings, pass after pass."""

    program: Program
    variant: Variant
    version: str
    problems: frozenset[tuple[str, str]] = frozenset()  # transport, problem: all that showed so far
    settings: tuple[Setting, ...] = ()
    rows: list[Row] = field(default_factory=list)

    def go_on(self) -> bool:
        """Take the cures of what showed; whether there are new ones."""
        told = tuple(
            setting
            for setting in self.program.settings
            if any(
                setting in self.program.cures(self.variant.name, each, frozenset({of})) for each, of in self.problems
            )
        )
        new, self.settings = told != self.settings, told
        return new


def middleboxes(wanted: Wanted) -> int:
    """Make the run and print its table; return the exit code. 4 where a cure did not work. Raises LabError."""
    started_s, started_utc = time.monotonic(), datetime.now(UTC)
    commit = manifest.short_commit(manifest.git(Path(__file__).parents[3]), "not in git")
    plans, missing = _plans(wanted)
    folder = _new_folder(wanted.runs_folder, f"{started_utc:%Y%m%dT%H%M%SZ}-middleboxes-{commit}")
    control: list[Row] = []
    note, code = "", OK
    with interruptible() as check:
        try:
            for number in range(_PASSES):
                going = plans if number == 0 else [plan for plan in plans if plan.go_on()]
                if going:
                    missing += _pass(number, going, wanted, folder, check, control)
        except Interrupted as reason:
            note, code = str(reason), INTERRUPTED
        except (OSError, LabError) as error:  # what the passes before have found is kept
            note, code = f"pass {number + 1} failed: {error}", SOME_INVALID
    found = Middleboxes(
        schema=SCHEMA, commit=commit, form="full" if wanted.full else "scaled",
        started_utc=started_utc.isoformat(timespec="seconds"), elapsed_s=time.monotonic() - started_s,
        heartbeat_s=wanted.timing.heartbeat_s, timeout_s=wanted.timing.timeout_s,
        rows=(*control, *(row for plan in plans for row in _concluded(plan))), missing=tuple(missing), note=note,
        machine=manifest.machine(),
    )  # fmt: skip
    write_atomically(folder / FILE, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    print(render_text(found))
    print(f"\n{len(found.rows)} rows in {found.elapsed_s:.0f} s: {folder / FILE}")
    if note:
        print(f"incomplete: {note}")
        return code
    return SOME_INVALID if found.uncured or found.failed_controls or not control else OK


def _new_folder(runs_folder: Path, name: str) -> Path:
    """Make the run's folder, with a number behind its name where there is one of that name. Raises LabError."""
    for number in range(1, _MAX_SAME_SECOND):
        folder = runs_folder / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise LabError(f"can't make a run folder in {runs_folder}: {error.strerror}") from None
        return folder
    raise LabError(f"{runs_folder} holds {_MAX_SAME_SECOND} runs named {name}")


def _plans(wanted: Wanted) -> tuple[list[Plan], list[str]]:
    """Every box that is here, and a sentence for each that is not. Raises UsageError for unknown names."""
    plans, missing, known = [], [], []
    for program in boxes.programs():
        for variant in program.variants:
            known.append(variant.name)
            if wanted.boxes and variant.name not in wanted.boxes:
                continue
            if box.find(program) is None:
                missing.append(f"{variant.name}: NOT INSTALLED (apt-get install {program.package}, or make field)")
            else:
                plans.append(Plan(program, variant, box.version(program)))
    if unknown := sorted(set(wanted.boxes) - set(known)):
        raise UsageError(f"unknown box {unknown[0]!r}; there are: {', '.join(known)}")
    names = [record.name for record in ASKED]
    if unknown := sorted(set(wanted.transports) - set(names)):
        raise UsageError(f"no box here carries {unknown[0]!r} to a server; these are tried: {', '.join(names)}")
    return plans, missing


def _pass(
    number: int, plans: list[Plan], wanted: Wanted, folder: Path, check: Callable[[], None], control: list[Row]
) -> list[str]:
    """Carry one pass out and add its rows to the plans; return sentences on boxes that did not start."""
    timing = wanted.timing
    asked = tuple(record for record in ASKED if not wanted.transports or record.name in wanted.transports)
    title = ("as they come", "with cures", "with further cures")[number]
    began_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{number + 1}/{_PASSES}] {title}, {time.monotonic() - began_s:3.0f} s: {words}", flush=True)

    steps = Steps(
        timing=timing, wait_s=min(25.0, timing.timeout_s / 2),
        left_within_s=2 * _ttl_s(timing) + 2 * timing.heartbeat_s, say=say, check=check, long=number == 0,
    )  # fmt: skip
    say(f"starting {len(plans)} boxes")
    with _started(plans, timing, folder, number, check) as (sites, quiet, failed):
        for site in (*sites, *quiet):
            site.asked = asked
        seen = Trial(sites, quiet, steps).carry_out()
    by_name = {plan.variant.name: plan for plan in plans}
    for (name, transport), found in seen.items():
        judgement = judge(found, 1e3 * GRID_S if transport == SHORT_POLL else 0.0)
        row = _row(name, transport, found, judgement, by_name.get(name))
        if name == CONTROL:
            control.append(row)
            continue
        by_name[name].rows.append(row)
        by_name[name].problems |= {(transport, problem) for problem in judgement.problems}
    return failed


def _row(name: str, transport: str, seen: Seen, judgement: Judgement, plan: Plan | None) -> Row:
    settings = () if plan is None else tuple(each.text for each in plan.settings)
    version = "" if plan is None else plan.version
    return Row(
        box=name, version=version, transport=transport, settings=settings, seen=seen,
        verdict=judgement.verdict, words=judgement.words,
    )  # fmt: skip


def _concluded(plan: Plan) -> Iterator[Row]:
    """The rows of one box: as it comes, each with its cure, and those that prove the cures."""
    problems: Mapping[str, frozenset[str]] = {
        row.transport: frozenset(of for each, of in plan.problems if each == row.transport) for row in plan.rows
    }
    for row in plan.rows:
        if row.settings or row.passes:
            yield row
            continue
        cures = plan.program.cures(plan.variant.name, row.transport, problems[row.transport])
        last = next((each for each in reversed(plan.rows) if each.transport == row.transport and each.settings), None)
        yield msgspec.structs.replace(
            row, cure=tuple(each.text for each in cures), cured=bool(cures) and last is not None and last.passes
        )


def _ttl_s(timing: Timing) -> float:
    return 2 * timing.heartbeat_s


@contextmanager
def _started(
    plans: list[Plan], timing: Timing, folder: Path, number: int, check: Callable[[], None]
) -> Iterator[tuple[list[Site], list[Site], list[str]]]:
    """Servers and boxes of one pass; all of them end with the block, and then goes the folder that they wrote into."""
    servers: dict[tuple[str, ...], Server] = {}
    quiet: list[Site] = []
    failed: dict[str, str] = {}
    with TemporaryDirectory(prefix="rtlab-boxes-") as scratch, ExitStack() as stack:
        Path(scratch).chmod(0o755)

        def server(told: tuple[str, ...]) -> Server:
            if told not in servers:
                log = folder / f"server-{number}-{len(servers)}.log"
                servers[told] = stack.enter_context(Server("all", _settings(timing, told), log=log))
            return servers[told]

        slow = (f"RTLAB_HEARTBEAT_SECONDS={timing.slow_s:g}", f"RTLAB_PRESENCE_TTL_SECONDS={2 * timing.slow_s:g}")
        sites = [Site(CONTROL, server(()))] if number == 0 else []
        for plan in plans:
            check()
            port = free_port()
            told = _told(plan, timing, port)
            site = Site(plan.variant.name, server(told), plan.program, plan.variant, plan.settings, plan.version)
            site.box = stack.enter_context(_box(site, timing, Path(scratch) / site.slug, port))
            sites.append(site)
            if plan.program.package:
                beside = replace(site, server=server(slow), through={}, direct={})
                beside.box = stack.enter_context(_box(beside, timing, Path(scratch) / f"{site.slug}-quiet", None))
                quiet.append(beside)
        for each in servers.values():
            each.wait_ready(check)
        for site in (*sites, *quiet):
            check()
            try:
                if site.box is not None:
                    site.box.wait_ready()
            except LabError as error:
                failed[site.name] = f"{site.name}: DID NOT START: {error}"
        yield (
            [site for site in sites if site.name not in failed],
            [site for site in quiet if site.name not in failed],
            list(failed.values()),
        )


def _told(plan: Plan, timing: Timing, port: int) -> tuple[str, ...]:
    """What is set on the server behind a box, `NAME=value`."""
    origin = f"{'https' if plan.variant.tls else 'http'}://{HOST}:{port}"
    values = {"slow_s": f"{timing.slow_s:g}", "heartbeat_s": f"{timing.heartbeat_s:g}", "origin": origin}
    return tuple(boxes.filled(each, values) for each in box.variables(plan.settings, plan.variant))


def _box(site: Site, timing: Timing, folder: Path, port: int | None) -> Box:
    assert site.program is not None
    assert site.variant is not None
    return Box(site.program, site.variant, site.settings, site.server.port, folder, timing, port=port)


def _settings(timing: Timing, told: tuple[str, ...]) -> ServerSettings:
    variables = {
        "RTLAB_HEARTBEAT_SECONDS": f"{timing.heartbeat_s:g}",
        "RTLAB_PRESENCE_TTL_SECONDS": f"{_ttl_s(timing):g}",
    }
    for each in told:
        name, _, value = each.partition("=")
        variables[name] = value
    return ServerSettings(variables=variables)
