"""What can go wrong with a transport in a case, and what to set against it. Each says what it is known from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from core.catalogue import records
from loadtests.records.middleboxes import Row
from loadtests.records.storm import KILL, Storms
from loadtests.report import storm
from loadtests.report.advise import published
from loadtests.report.advise.case import BROWSER, MOBILE, NO_PROXY, Case
from loadtests.report.advise.published import Entry
from loadtests.report.advise.sizing import Size
from loadtests.report.quantity import count, digits
from loadtests.report.verdicts.catches import in_browsers
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.table_rules import api_of, percent

DEFAULT_HEARTBEAT_S = 15.0
_STEP_S = 5.0


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk: `proxy`, `storm`, `ghost` or `battery`. `out`: it rules the transport out."""

    slug: str
    words: str
    source: str
    out: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How often to send one, and the least idle timeout that it must be half of; None: no box is known of."""

    every_s: float
    least: Entry | None

    @property
    def words(self) -> str:
        """The setting, and why."""
        if self.least is None:
            return f"heartbeat: {self.every_s:g} s, the servers' default (no idle timeout is known here)"
        return (
            f"heartbeat: {self.every_s:g} s, below half of the smallest idle timeout, {self.least.seconds:g} s "
            f"({self.least.words}; published: {self.least.source}, {self.least.date})"
        )


def heartbeat(case: Case) -> Heartbeat:
    """Return the longest heartbeat in steps of five seconds below half of the smallest idle timeout on the way."""
    idle = published.load().idle
    on_the_way = [idle[name] for name in (case.proxy, *case.clients) if name in idle]
    if not on_the_way:
        return Heartbeat(DEFAULT_HEARTBEAT_S, None)
    least = min(on_the_way, key=lambda entry: entry.seconds)
    half = least.seconds / 2
    longest = _STEP_S * (math.ceil(half / _STEP_S) - 1)
    return Heartbeat(longest if longest > 0 else half / 2, least)


def misfit(case: Case, evidence: Evidence, transport: str) -> str:
    """Say why a transport cannot serve the clients at all; empty where it can."""
    if not {BROWSER, MOBILE} & set(case.clients) or in_browsers(evidence, transport):
        return ""
    api = api_of(evidence.support, transport) if evidence.support else None
    if api is None or evidence.support is None:
        return "not in nearly all browsers of today, as far as is known"
    sources = ", ".join(f"{each.package} {each.version}" for each in evidence.support.sources)
    share = f"{percent(api.share.full)} % of usage"
    return f"not in nearly all browsers of today: {share} (published: {sources}, {evidence.support.oldest})"


def risks(
    case: Case, evidence: Evidence, storms: Storms | None, transport: str, size: Size | None, beat_s: float
) -> tuple[Risk, ...]:
    """Return what is known against a transport."""
    found = (
        proxy(case, evidence, transport),
        returning(case, storms, transport, size),
        ghost(case, evidence, transport),
        battery(case, transport, beat_s),
    )
    return tuple(risk for risk in found if risk is not None)


def proxy(case: Case, evidence: Evidence, transport: str) -> Risk | None:
    """Return what the case's proxy does to it, and what cures that."""
    if case.proxy == NO_PROXY:
        return None
    boxes = evidence.middleboxes
    rows = [r for r in boxes.as_they_come if _is(r, case.proxy, transport)] if boxes else []
    if boxes and rows:
        row = next((row for row in rows if not row.passes), None)
        if row is None:
            return Risk("proxy", f"passes {case.proxy} as it comes", f"middleboxes.json, commit {boxes.commit}")
        cure = f"needs {' '.join(' '.join(row.cure).split())}" if row.cured else "no setting here is known to cure it"
        words = f"{case.proxy} as it comes: {row.words}; {cure}"
        return Risk("proxy", words, f"middleboxes.json, commit {boxes.commit}", out=not row.cured)
    trait = evidence.traits.row(transport) if evidence.traits and case.proxy == "nginx" else None
    if trait is not None and trait.proxy and evidence.traits:
        passes = trait.proxy == "passes"
        words = "passes nginx as it comes" if passes else (
            f"nginx as it comes: {trait.proxy}; with the settings that its manual names: {trait.proxy_told}"
        )  # fmt: skip
        out = not passes and trait.proxy_told != "passes"
        return Risk("proxy", words, f"traits.json, commit {evidence.traits.commit}", out=out)
    if transport in records() and not records()[transport].pushes:
        return Risk("proxy", f"not tried behind {case.proxy}; each answer is an ordinary one", "the protocol")
    return Risk("proxy", f"not tried behind {case.proxy}", "nothing")


def _is(row: Row, name: str, transport: str) -> bool:
    return row.box.lower() == name and row.transport == transport


def joins_per_s(storms: Storms | None, transport: str) -> float | None:
    """Return u: how many clients a second one instance admits after another was killed; None where not measured."""
    paced = [s for s in storms.storms if s.transport == transport and not s.window_ratio] if storms else []
    killed = [s for s in paced if s.kind == KILL] or paced
    return median(storm.joins_per_s(s.cuts[-1]) for s in killed) if killed else None


def window_s(case: Case, storms: Storms | None, transport: str, size: Size | None) -> float | None:
    """Return W* = N / u, the jitter of reconnecting: N clients of one machine, u joins a second of those that are left.

    None where u was not measured, or no machine of ours is in the case.
    """
    u = joins_per_s(storms, transport)
    if u is None or size is None:
        return None
    each = size.processes / size.machines
    admitting = max(size.processes - each, each)  # the other machines; of one alone, itself when it is back
    return case.subscribers / size.machines / (u * admitting)


def returning(case: Case, storms: Storms | None, transport: str, size: Size | None) -> Risk | None:
    """Return what happens when a machine ends and its clients come back."""
    window = window_s(case, storms, transport, size)
    if window is None or size is None or storms is None:
        return None
    clients = count(math.ceil(case.subscribers / size.machines), "client")
    u = joins_per_s(storms, transport)
    words = (
        f"{clients} of a lost machine come back at once: spread them over {digits(window)} s "
        f"(W* = N / u, u = {digits(u)} joins a second of a process)"
    )
    return Risk("storm", words, f"storm.json, {storms.run_id}")


def ghost(case: Case, evidence: Evidence, transport: str) -> Risk | None:
    """Return how long a client that vanished seems present."""
    boxes = evidence.middleboxes
    behind = [r for r in boxes.as_they_come if _is(r, case.proxy, transport)] if boxes else []
    pulled = next((r.seen for r in behind if r.seen.pulled_s is not None or r.seen.pulled.startswith("not ")), None)
    if boxes and pulled is not None:
        after = f"left after {digits(pulled.pulled_s)} s" if pulled.pulled_s is not None else f"was {pulled.pulled}"
        words = f"a client that vanished {after}, at a heartbeat of {boxes.heartbeat_s:g} s"
        return Risk("ghost", words, f"middleboxes.json, commit {boxes.commit}")
    name = f"vanishing-{transport}_left_after_s"
    for fault in evidence.faults_of("half-open"):
        if name in fault.measured and evidence.faults:
            words = f"a client that vanishes seems present for {digits(fault.measured[name])} s (a test's heartbeat)"
            return Risk("ghost", words, f"faults.json, commit {evidence.faults.commit}")
    return None


def battery(case: Case, transport: str, beat_s: float) -> Risk | None:
    """Return how much of the time a phone's radio is awake: a tail after each packet, which come at random."""
    if MOBILE not in case.clients:
        return None
    tail = published.load().radio_tail
    packets_per_s = case.rate_per_s + (1.0 if records()[transport].model == "short poll" else 1 / beat_s)
    awake = 1 - math.exp(-tail.seconds * packets_per_s)
    share = f"{100 * awake:.0f} %" if awake < 0.995 else "all"
    words = f"a phone's radio is awake {share} of the time: {tail.words}"
    return Risk("battery", words, tail.figure.source)


def rule_out(found: Sequence[Risk]) -> str:
    """Return the words of a risk that rules a transport out; empty where none does."""
    return next((risk.words for risk in found if risk.out), "")
