"""The report's first screen: what was measured beside what the guide says, in sentences and a line for each transport.

`places` says what is near and what is far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.report import claims, model, theirs
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result, value_of
from loadtests.report.places import far, far_rtt_ms, near
from loadtests.report.quantity import AtLeast, digits, greatest, listed
from loadtests.report.study import TABLE_KINDS, Study
from loadtests.report.verdicts.catches import NO_BROWSER, browserless, duplex, in_browsers, to_write
from loadtests.report.verdicts.evidence import ALIKE_RATIO, Evidence
from loadtests.report.verdicts.table_rules import api_of, percent


@dataclass(frozen=True, slots=True)
class Line:
    """One transport on the first screen; None and empty: not known."""

    transport: str
    guide_ms: float | None
    near: Result | None
    far: Result | None
    browsers: str
    two_way: str
    cpu_us: float | None
    kib: float | None
    to_write: str

    @property
    def decides(self) -> Result | None:
        """The condition whose verdict on the guide's figure is shown."""
        return self.near or self.far


def lines(evidence: Evidence) -> tuple[Line, ...]:
    """Return a line for each transport that the table shows, in its order."""
    study = evidence.shown
    here, there = ({r.condition.transport: r for r in found} for found in (near(study), far(study)))
    names = dict.fromkeys(r.condition.transport for r in study.of_kind(*TABLE_KINDS))
    return tuple(_line(evidence, name, here.get(name), there.get(name)) for name in names)


def _line(evidence: Evidence, transport: str, here: Result | None, there: Result | None) -> Line:
    shown = here or there
    return Line(
        transport=transport,
        guide_ms=evidence.shown.guide.get(transport),
        near=here,
        far=there,
        browsers=_browsers(evidence, transport),
        two_way=_two_way(evidence, transport),
        cpu_us=value_of(shown.costs.server_cpu_us) if shown else None,
        kib=value_of(evidence.shown.memory.get(transport)),
        to_write=to_write(evidence, transport),
    )


def _two_way(evidence: Evidence, transport: str) -> str:
    server = theirs.servers(evidence.study.run).get(transport)
    both = duplex(evidence, server.protocol if server is not None else transport)
    return "" if server is not None and not server.protocol else "yes" if both else "no"


def _browsers(evidence: Evidence, transport: str) -> str:
    if browserless(evidence.support, transport):
        return "none"
    api = api_of(evidence.support, transport) if evidence.support else None
    if api is None:
        return ""
    return "all" if in_browsers(evidence, transport) else f"{percent(api.share.full)} % of usage"


def about(ms: float) -> str:
    """Return a latency as people say it: one digit below 10 ms, two above."""
    return digits(ms, 1 if float(ms) < 9.5 else 2)


def lead(evidence: Evidence) -> str:
    """Say what the guide's transports were measured to take here, beside what it says."""
    study = evidence.study
    shown = near(study) or far(study)
    guide = study.guide
    claimed = [r for r in shown if r.condition.transport in guide]
    if not claimed:
        return _without_the_guide(shown)
    alike = _alike(claimed)
    rest = [r for r in claimed if r not in alike]
    sentences = [_together(evidence, alike), *(_alone(evidence, r) for r in rest)]
    return " ".join([*sentences, *_missing(study, claimed)])


def _missing(study: Study, claimed: Sequence[Result]) -> list[str]:
    """Say why the guide's others have no figure under the load that is shown."""
    shown, here = {r.condition.transport for r in claimed}, claimed[0].condition
    loads: dict[str, set[tuple[str, str]]] = {}
    for each in (result.condition for result in study.of_kind(*TABLE_KINDS)):
        loads.setdefault(each.transport, set()).add((each.load, each.link))
    why: dict[str, list[str]] = {}
    for name in study.guide:
        if name not in shown:
            spoilt = (here.load, here.link) in loads.get(name, ())
            words = _NOT_USABLE if spoilt else _ELSEWHERE if name in loads else "Not measured here"
            why.setdefault(words, []).append(in_prose(name))
    return [f"{words}: {listed(names)}." for words, names in why.items()]


_NOT_USABLE = "Measured, but not usable under this load"
_ELSEWHERE = "Measured, but not under this load"


def _where(result: Result) -> str:
    one_way_ms = model.link_one_way_ms(result.condition.link)
    return "On this machine" if one_way_ms == 0 else f"Over the line {result.condition.link}"


def _ms(result: Result) -> float:
    return result.p50.value_ms if result.p50 else 0.0


def _alike(results: Sequence[Result]) -> list[Result]:
    """Keep those that take up to `ALIKE_RATIO` times as long as the fastest, in the fixed order."""
    fastest = min(map(_ms, results))
    # Of medians that are all known only from below, the least stands alone.
    return [r for r in results if greatest(_ms(r)) <= ALIKE_RATIO * fastest] or [min(results, key=_ms)]


def _together(evidence: Evidence, results: Sequence[Result]) -> str:
    names = [_name(evidence, r) for r in results]
    slowest = max((_ms(r) for r in results), key=greatest)
    says = listed([f"{evidence.study.guide[r.condition.transport]:g}" for r in results])
    all_of = "all deliver" if len(results) > 2 else "both deliver" if len(results) == 2 else "delivers"
    return f"{_where(results[0])} {listed(names)} {all_of} in {_about(slowest)}; the guide says {says}."


def _alone(evidence: Evidence, result: Result) -> str:
    guide_ms = evidence.study.guide[result.condition.transport]
    return f"{_capital(_name(evidence, result))} takes {_about(_ms(result), 'about ')}; the guide says {guide_ms:g}."


def _about(ms: float, lead: str = "about ") -> str:
    return f"more than {about(float(ms))} ms" if isinstance(ms, AtLeast) else f"{lead}{about(ms)} ms"


def _name(evidence: Evidence, result: Result) -> str:
    transport = result.condition.transport
    return f"{in_prose(transport)}{f' ({NO_BROWSER} takes it)' if browserless(evidence.support, transport) else ''}"


def _without_the_guide(shown: Sequence[Result]) -> str:
    if not shown:
        return "This run measured no latency that could be compared with the guide's."
    said = [f"{in_prose(r.condition.transport)} {about(_ms(r))} ms" for r in shown]
    return f"{_where(shown[0])} half of all messages came within: {listed(said)}."


def beyond(evidence: Evidence) -> str:
    """Say what the rest of the table takes, and what all take over the longer line; empty where nothing is to say."""
    study = evidence.study
    guide = study.guide
    others = [r for r in near(study) if r.condition.transport not in guide]
    said = [f"{in_prose(r.condition.transport)} {about(_ms(r))} ms{_fits(r, guide)}" for r in others]
    parts = [f"Not in the guide: {listed(said)}."] if said and near(study) else []
    foreign = theirs.servers(study.run)
    not_ours = [r for r in near(evidence.shown) if r.condition.transport in foreign] if near(study) else []
    said = [f"{r.condition.transport} {about(_ms(r))} ms" for r in not_ours]
    parts += [f"Servers that are not ours: {listed(said)}."] if said and evidence.shown is not study else []
    there = far(study) if near(study) else ()
    if there:
        alike = _alike(there)
        slower = [f"{in_prose(r.condition.transport)} {about(_ms(r))} ms" for r in there if r not in alike]
        slowest = max((_ms(r) for r in alike), key=greatest)
        names = listed([in_prose(r.condition.transport) for r in alike])
        rest = f"; {listed(slower)}" if slower else ""
        takes = "take" if len(alike) > 1 else "takes"
        parts.append(f"Over a line of {far_rtt_ms(study):g} ms there and back {names} {takes} {_about(slowest)}{rest}.")
    return " ".join(parts)


def _fits(result: Result, guide: Mapping[str, float]) -> str:
    fitting = claims.fitting(result.condition.transport, result.p50, guide) if result.p50 else []
    return f" (the guide's figure for {listed([in_prose(name) for name in fitting])})" if fitting else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
