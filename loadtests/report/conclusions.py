"""What a reader may conclude from each notebook: sentences that its figures decide, as a list in Markdown.

Where the data are not there for a sentence, it is left out; where they are there for none, one sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from loadtests.records.calibration import Calibration
from loadtests.records.replays import FixedBy, Replayed
from loadtests.report import answer, budget, calibration, doubts, frontier, links, replays
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result, value_of
from loadtests.report.quantity import AtLeast, count, digits, listed
from loadtests.report.study import Study, fan_out_results, heaviest
from loadtests.report.verdicts import guide
from loadtests.report.verdicts.evidence import CORE_US, Evidence, Ruling

NOTHING = "This run holds nothing from which this could be concluded."
_IDLE = 1000
_KIB_PER_MIB = 1024


def latency(evidence: Evidence) -> str:
    """Conclude from the percentiles and the differences."""
    study = evidence.study
    if not any(result.p50 for result in study.results):
        return NOTHING
    return _list(answer.lead(evidence), _tails(heaviest(study)), _told_apart(study), doubts.trust(evidence))


def costs(study: Study) -> str:
    """Conclude from the room's growth, and from what a delivery and a connection cost."""
    return _list(_growth(study), _capacity(heaviest(study)), _idle(study))


def guides_table(evidence: Evidence) -> str:
    """Conclude which of the guide's figures agree with what was measured."""
    beside: dict[str, list[str]] = {}
    for line in answer.lines(evidence):
        if line.guide_ms is not None and line.decides is not None:
            beside.setdefault(line.decides.claim.short, []).append(in_prose(line.transport))
    said = [f"{words} over {listed(names)}" for words, names in beside.items()]
    if not said:
        return NOTHING
    return _list(answer.lead(evidence), f"Beside the guide: {'; '.join(said)}.", doubts.trust(evidence))


def over_links(study: Study) -> str:
    """Conclude whether theory's promises hold, what of the medians is unexplained, and which transport wins where."""
    promised = links.promises(study)
    broken = [f"{in_prose(p.condition.transport)} {p.condition.over_link} ({p.words})" for p in promised if not p.holds]
    others = f"; not {listed(broken)}" if broken else ""
    medians = links.residuals(study)
    odd = [
        f"{in_prose(r.condition.transport)} {r.condition.over_link}" for r in medians if r.cause == links.UNEXPLAINED
    ]
    faults = links.delivery_faults(study)
    return _list(
        f"Of {count(len(promised), 'promise')} of theory {_are(len(promised) - len(broken))} kept{others}."
        if promised
        else "",
        f"Of {count(len(medians), 'median')} the model and a named cause account for {len(medians) - len(odd)}"
        f"{f'; not for {listed(odd)}' if odd else ''}."
        if medians
        else "",
        _delivered(study, faults),
        _cheapest(study),
    )


def instrument(found: Sequence[Calibration], stamped: Study) -> str:
    """Conclude whether the instrument can be believed, from the calibrations beside a run and from servers' stamps."""
    checks = [check for each in found for check in each.checks]
    weak = calibration.latest(found, lambda each: each.weakened)
    same = calibration.latest(found, lambda each: each.self_test)
    omitted = calibration.latest(found, lambda each: each.omission)
    parts = [
        f"Of {count(len(checks), 'planted truth')} {_are(sum(check.within for check in checks), 'was', 'were')} found "
        "within what is stated."
        if checks
        else "",
        f"A generator that is too weak is {'refused' if weak.refused else 'believed, which it must not be'}."
        if weak
        else "",
        f"A transport differs from itself in {same.different} of {count(len(same.repeats), 'comparison')}, "
        f"{'no more than' if same.passed else 'more than'} chance explains."
        if same
        else "",
    ]
    if not any(parts):
        return _list(budget.sentence(stamped.budgets))
    good = calibration.passed(checks) and (not weak or weak.refused) and (not same or same.passed)
    verdict = "So its figures can be believed" if good else "So its figures cannot be believed everywhere"
    loop, schedule = (omitted.closed_loop.p99_ms, omitted.from_schedule.p99_ms) if omitted else (None, None)
    closed = f"A closed loop would have said {digits(loop)} ms at p99 where it was {digits(schedule)} ms."
    return _list(
        *parts,
        f"{verdict} within what is stated, on this machine.",
        closed if loop and schedule else "",
        budget.sentence(stamped.budgets),
    )


def sentences(judged: Sequence[guide.Judged]) -> str:
    """Conclude which of the guide's sentences are false, and which hold only under a condition."""
    return _list(
        guide.summary(judged),
        *(
            f"{words}: {listed([f'“{one.claim.sentence}”' for one in chosen])}."
            for words, ruling in (("False", Ruling.FALSE), ("True only if something else holds", Ruling.TRUE_IF))
            if (chosen := [one for one in judged if one.finding.ruling is ruling])
        ),
    )


def measured_again(found: Sequence[Replayed]) -> str:
    """Conclude what of published figures a reader can take over."""
    rows = [row for each in found for row in each.rows if row.ours is not None]
    if not rows:
        return NOTHING
    counted = [
        f"{sum(row.holds for row in of)} of {count(len(of), 'figure')} that {words}"
        for kind, words in _MOVED_BY.items()
        if (of := [row for row in rows if row.fixed_by is kind])
    ]
    return _list(replays.sentence(found), f"Here came out the same: {listed(counted)}.")


_MOVED_BY = {FixedBy.PROTOCOL: "the protocol fixes", FixedBy.MACHINE: "machine and code move"}


def _list(*found: str) -> str:
    return "\n".join(f"- {sentence[:1].upper()}{sentence[1:]}" for sentence in found if sentence) or NOTHING


def _are(number: int, one: str = "is", more: str = "are") -> str:
    return f"{number} {one if number == 1 else more}"


def _ends(found: Mapping[str, float], words: str) -> str:
    """Return the least and the greatest with who has them; only one where there is one."""
    least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    ends = [f"{digits(found[name], 2)}{words} ({in_prose(name)})" for name in dict.fromkeys((least, most))]
    return " to ".join(ends)


def _tails(results: Iterable[Result]) -> str:
    ratios = {
        r.condition.transport: r.p99.value_ms / r.p50.value_ms
        for r in results
        if r.p50 and r.p99 and r.p50.value_ms > 0 and not isinstance(r.p99.value_ms, AtLeast)
    }
    return (
        f"The slowest hundredth takes this much longer than half of them: {_ends(ratios, ' times')}." if ratios else ""
    )


def _told_apart(study: Study) -> str:
    known = [found for found in study.contrasts if found.difference.known]
    if not known:
        return "No two transports could be compared under one load."
    same = [found for found in known if found.difference.indistinguishable]
    base = listed(list(dict.fromkeys(in_prose(found.baseline) for found in known)))
    said = f"Of {count(len(known), 'difference')} from {base}, {_are(len(known) - len(same))} more than chance"
    greatest = max(known, key=lambda found: found.difference.size_ms)
    if len(same) == len(known):
        return f"{said}: the transports are indistinguishable here."
    size = digits(greatest.difference.size_ms)
    return f"{said}, the greatest: {in_prose(greatest.transport)}, {greatest.difference.direction} by {size} ms."


def _growth(study: Study) -> str:
    rooms: dict[str, list[Result]] = {}
    for result in fan_out_results(study):
        rooms.setdefault(result.condition.transport, []).append(result)
    pairs = {name: (found[0], found[-1]) for name, found in rooms.items() if len(found) > 1}
    grown, steeper = {}, []
    for name, (small, large) in pairs.items():
        if small.p50 and large.p50 and small.p50.value_ms > 0 and not isinstance(large.p50.value_ms, AtLeast):
            grown[name] = large.p50.value_ms / small.p50.value_ms
            if grown[name] >= large.condition.subscribers / small.condition.subscribers:
                steeper.append(in_prose(name))
    if not grown:
        return "How latency grows with the room was not measured: no transport has two sizes of room."
    step = f"as steeply as the room over {listed(steeper)}" if steeper else "nowhere as steeply as the room"
    return f"From the smallest room to the largest the median becomes {_ends(grown, ' times')} as long, {step}."


def _capacity(results: Iterable[Result]) -> str:
    cpu_us = {r.condition.transport: c for r in results if (c := value_of(r.costs.server_cpu_us))}
    if not cpu_us:
        return ""
    per_s = {name: CORE_US / each for name, each in cpu_us.items()}
    return f"By CPU alone a core has room for {_ends(per_s, ' deliveries a second')}."


def _idle(study: Study) -> str:
    mib = {name: cost.value * _IDLE / _KIB_PER_MIB for name, cost in study.memory.items()}
    return f"{_IDLE:,} idle connections take {_ends(mib, ' MiB')} of the server's memory." if mib else ""


def _delivered(study: Study, faults: Sequence[str]) -> str:
    if faults:
        return f"Not every message came once and in order: {listed(list(faults))}."
    linked = any(result.total("received") for result in study.results if result.condition.link != "loopback")
    return "Over every link each message came once and in order." if linked else ""


def _cheapest(study: Study) -> str:
    found = frontier.candidates(study)
    points = [point for budget_ms in frontier.BUDGETS_MS for point in frontier.points(found, budget_ms)]
    won: dict[str, int] = {}
    for point in points:
        if point.best:
            won[point.best.transport] = won.get(point.best.transport, 0) + 1
    if not won:
        return ""
    parts = [f"{in_prose(name)} at {number}" for name, number in sorted(won.items(), key=lambda each: -each[1])]
    nobody = f"; nobody is in time at {len(points) - sum(won.values())}" if sum(won.values()) < len(points) else ""
    return (
        f"Which is the cheapest in time depends on line, rate and budget: of {count(len(points), 'point')} it is "
        f"{listed(parts)}{nobody}."
    )
