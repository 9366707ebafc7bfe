"""Rules for the guide's table: latency, browser support, complexity; and for "ease", which complexity decides.

Latency: the run's medians, and where each figure would be true. Browser support: published facts weighed by usage, and
a look into the browsers here. Complexity: branches of our own server and client code, counted by a tool; branches, not
lines, since how many ways there are through the code is what has to be understood and tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.catalogue import records
from loadtests.records.facts import Api, Complexity, Facts, Part
from loadtests.records.schema import Validity
from loadtests.report import claims, model
from loadtests.report.claims import RESOLUTION_MS, Agreement, in_prose
from loadtests.report.condition import Result
from loadtests.report.quantity import digits, listed, plus, span
from loadtests.report.verdicts.evidence import (
    EASIER_RATIO,
    SUPPORT_PERCENT,
    Evidence,
    Finding,
    Ruling,
    not_tested,
)

EXAMPLE_ONE_WAY_MS = 25.0
"""The line that the model speaks of where a run measured none: half of the default comparison's round trip."""


def latency(transport: str, evidence: Evidence) -> Finding:
    """Judge a transport's figure: it must hold in every condition that was measured, or in none."""
    results = usable(evidence, transport)
    if not results:
        return not_tested(f"This run has no valid measurement of {in_prose(transport)}.")
    claimed = {**claims.GUIDE_LATENCY_MS, **evidence.study.run.claims}[transport]
    ruling = overall([result.claim.agreement for result in results])
    condition = _where(results) if ruling is Ruling.TRUE_IF else _would_be(evidence, transport, claimed)
    source = evidence.run
    if ruling is Ruling.TRUE and transport == "h2push" and (refusing := evidence.refusing_push):
        ruling = Ruling.TRUE_IF
        condition = f"the receiver is a program of your own: {listed(refusing)} asked our server not to push"
        source += f"; run {evidence.browser_run.run_id}" if evidence.browser_run else ""
    beside = {result.claim.short for result in results} if ruling is Ruling.FALSE else set()
    said = f"{beside.pop().capitalize()} than the guide says. " if len(beside) == 1 else ""
    return Finding(ruling, said + _measured(results), condition, source)


def usable(evidence: Evidence, transport: str) -> tuple[Result, ...]:
    """Return the conditions of the table that may be judged: not invalid, and with a median."""
    return tuple(
        result
        for result in evidence.study.tabled
        if result.condition.transport == transport and result.validity is not Validity.INVALID and result.p50
    )


def overall(found: Sequence[Agreement]) -> Ruling:
    """Sum up several conditions: the figure agrees in all, none, or some of them; undecided ones decide nothing."""
    holds, fails = Agreement.HOLDS in found, Agreement.FAILS in found
    decided = Ruling.TRUE if holds else Ruling.FALSE if fails else Ruling.NOT_TESTABLE
    return Ruling.TRUE_IF if holds and fails else decided


def _measured(results: Sequence[Result]) -> str:
    by_link: dict[str, list[float]] = {}
    for result in results:
        if result.p50:
            by_link.setdefault(result.condition.link, []).append(result.p50.value_ms)
    said = [f"{span(min(found), max(found))} ms {_over_line(link)}" for link, found in by_link.items()]
    text = f"Half of all messages arrived within {listed(said)}."
    by_model_ms = modelled_ms(results[-1])
    if by_model_ms is not None and not any(map(model.link_one_way_ms, by_link)):
        text += (
            f" No longer line was measured; by the model, one of {2 * EXAMPLE_ONE_WAY_MS:g} ms there and back would "
            f"make it {digits(by_model_ms)} ms."
        )
    return text


def modelled_ms(here: Result) -> float | None:
    """Return the median that the model expects over the example line, from what was measured without one."""
    form, d = model.kind(here.condition.transport), EXAMPLE_ONE_WAY_MS
    if here.p50 is None or form not in ("push", "long poll"):
        return None
    added = model.long_poll_mean_ms(d, here.condition.rate_per_s) if form == "long poll" else model.push_ms(d)
    return plus(here.p50.value_ms, added)


def _over_line(link: str) -> str:
    one_way_ms = model.link_one_way_ms(link)
    if not one_way_ms:
        return "on this machine itself" if one_way_ms == 0 else f"over the line {link}"
    return f"over a line of {2 * one_way_ms:g} ms there and back"


def _where(results: Sequence[Result]) -> str:
    """Name the lines over which the figure held; the loads too where it held under some of them only."""
    said: dict[str, None] = {}
    for c in (result.condition for result in results if result.claim.agreement is Agreement.HOLDS):
        whole = all(r.claim.agreement is Agreement.HOLDS for r in results if r.condition.link == c.link)
        load = "" if whole else f" with {c.subscribers:,} receivers and {c.rate_per_s:g} messages a second"
        said[f"{_over_line(c.link)}{load}"] = None
    return f"measured {listed(list(said))}"


def _would_be(evidence: Evidence, transport: str, claimed: float) -> str:
    """Say by the model on which line the figure comes about."""
    low, high = max(0.0, claimed - RESOLUTION_MS / 2), claimed + RESOLUTION_MS / 2
    if transport == "longpoll":
        asked = [result for result in usable(evidence, "shortpoll") if result.poll_interval_ms == 2 * claimed]
        here = f" (measured here: {digits(asked[-1].p50.value_ms)} ms)" if asked and asked[-1].p50 else ""
        return (
            f"the line took {span(low / 2, high / 2)} ms one way (busy room) or {span(low, high)} ms (quiet room). "
            f"On any line, {digits(claimed)} ms is what asking every {2 * claimed / 1e3:g} s gives" + here
        )
    if not low:
        return f"the line takes less than {high:g} ms one way"
    return f"the line took {low:g} to {high:g} ms one way, and WebSocket would take as long"


_ENGINES = {"Blink": "Chrome and its kin", "Gecko": "Firefox"}


def support(transport: str, word: str, evidence: Evidence) -> Finding:
    """Judge one word: the share of usage with the API must lie in the word's range.

    Where nothing is published of some browsers the share is a range itself; a word that only part of it fits depends on
    them. A browser here that lacks what it should have turns a true word into one that holds elsewhere.
    """
    facts = evidence.support
    api = api_of(facts, transport) if facts else None
    if facts is None or api is None:
        return not_tested("There are no published facts on it beside this run.")
    ruling = fits(word, api.share.full, api.share.full + api.share.partial + api.share.unknown)
    condition = f"browsers of which nothing is published have it ({percent(api.share.unknown)} % of usage)"
    lacking = [browser.name.capitalize() for browser in evidence.browsers if browser.found.get(_key(api)) is False]
    if ruling is Ruling.TRUE and lacking:
        ruling, condition = Ruling.TRUE_IF, f"the browser is not {listed(lacking)}: it lacks it here"
    return Finding(
        ruling,
        f"{_published(api)} {_live(evidence, api)}".rstrip(),
        condition if ruling is Ruling.TRUE_IF else "",
        _facts_source(evidence, facts),
    )


def api_of(facts: Facts, transport: str) -> Api | None:
    """Return what is published of the API that a transport needs of a browser."""
    record = records().get(transport)
    return facts.api(record.needs.api) if record is not None else None


def fits(word: str, low_percent: float, high_percent: float) -> Ruling:
    """Return whether a share that lies between two bounds fits a word's range."""
    least, most = SUPPORT_PERCENT[word]
    inside = least <= low_percent and high_percent <= most
    outside = high_percent < least or low_percent > most
    return Ruling.TRUE if inside else Ruling.FALSE if outside else Ruling.TRUE_IF


def publications(facts: Facts) -> str:
    """Name the packages with version and date."""
    return listed([f"{source.package} {source.version} of {source.date}" for source in facts.sources])


def percent(value: float) -> str:
    """Return a share to a tenth of a percent, without the sign: `100`, `99.8`."""
    return f"{value:.1f}".removesuffix(".0")


def _facts_source(evidence: Evidence, facts: Facts) -> str:
    named = listed([f"{source.package} {source.version}" for source in facts.sources])
    return f"{named}; run {evidence.browser_run.run_id}" if evidence.browser_run else named


def _key(api: Api) -> str:
    return f"api.{api.name}"


def _published(api: Api) -> str:
    share, open_ended = api.share, api.share.partial + api.share.unknown
    text = f"{api.title}: in the browsers of {percent(share.full)} % of usage"
    if open_ended:
        text += f", of {percent(share.full + open_ended)} % at most"
    removed = [f"from {_ENGINES[removal.engine]} with version {removal.version}" for removal in api.removals]
    return f"{text}{f'; removed {listed(removed)}' if removed else ''}."


def _live(evidence: Evidence, api: Api) -> str:
    if api.name == "h2push":
        refusing = evidence.refusing_push
        return f"{listed(refusing)} asked our server not to push." if refusing else ""
    said = [
        f"{browser.name.capitalize()} has {'it' if browser.found[_key(api)] else 'not'}"
        for browser in evidence.browsers
        if isinstance(browser.found.get(_key(api)), bool)
    ]
    return f"Looked for here: {listed(said)}." if said else ""


_NOT_COUNTED = "No count of this code lies beside this run."
_COMPARED = ("socketio", "websocket")


def complexity(transport: str, words: Mapping[str, str], evidence: Evidence) -> Finding:
    """Judge "low" or "medium": fewer branches than each of the other word, or more.

    `words`: the guide's whole column. The words are an order, not an amount, so only the order is judged.
    """
    counted = evidence.complexity
    if counted is None or not (own := branches(counted, transport)):
        return not_tested(_NOT_COUNTED)
    low = words[transport] == "low"
    others = {t: found for t, word in words.items() if word != words[transport] and (found := branches(counted, t))}
    if not others:
        return not_tested(_NOT_COUNTED)
    fitting = [t for t, found in others.items() if (own < found if low else own > found)]
    ruling = (
        Ruling.TRUE if len(fitting) == len(others) else Ruling.TRUE_IF if fitting else Ruling.FALSE
    )  # fmt: skip
    against = listed([f"{in_prose(t)} {found}" for t, found in others.items()])
    return Finding(
        ruling,
        f"{size(counted, transport)}. Branches of those the guide calls {'medium' if low else 'low'}: {against}.",
        f"compared with {listed([in_prose(t) for t in fitting])}" if ruling is Ruling.TRUE_IF else "",
        f"complexity.json, commit {counted.commit}",
    )


def ease(evidence: Evidence) -> Finding:
    """Judge "Socket.IO for ease of use" by the code that it leaves to write, and name its price from the run.

    Client and server by themselves: the client on each side's usual library, the server as ours is. Easier on both is
    true, on neither false; on one it depends on which of the two is yours to write.
    """
    counted = evidence.complexity
    if counted is None:
        return not_tested(_NOT_COUNTED)
    sides = {"client": (counted.others, "stock client"), "server": (counted.rows, "server")}
    own, plain = ({side: _of(*where, transport) for side, where in sides.items()} for transport in _COMPARED)
    if not all((*own.values(), *plain.values())):
        return not_tested(_NOT_COUNTED)
    easier = [side for side in sides if _branches(own[side]) <= EASIER_RATIO * _branches(plain[side])]
    ruling = Ruling.TRUE if len(easier) == len(sides) else Ruling.TRUE_IF if easier else Ruling.FALSE
    said = [f"its {side} {_size_of(own[side])}, WebSocket's {_size_of(plain[side])}" for side in sides]
    return Finding(
        ruling,
        f"What Socket.IO leaves to write: {'; '.join(said)}. {price(evidence)}".rstrip(),
        f"only the {easier[0]} is yours to write" if ruling is Ruling.TRUE_IF else "",
        f"complexity.json, commit {counted.commit}; {evidence.run}",
    )


def price(evidence: Evidence) -> str:
    """Say what Socket.IO costs as a multiple of WebSocket under the heaviest load that both were measured under."""
    plain = {result.condition.load: (result,) for result in usable(evidence, "websocket")}
    for result in reversed(usable(evidence, "socketio")):
        ratios = [
            f"{digits(dear.value / cheap.value, 2)} times {what}"
            for other in plain.get(result.condition.load, ())
            for what, dear, cheap in (
                ("the bytes", result.costs.bytes_down, other.costs.bytes_down),
                ("the server's processor time", result.costs.server_cpu_us, other.costs.server_cpu_us),
            )
            if dear and cheap and cheap.value
        ]
        if ratios:
            return f"Each message takes {listed(ratios)}."
    return ""


def branches(counted: Complexity, transport: str) -> int:
    """Sum the branches of a transport's server and client; 0 unless both were counted."""
    parts = [part for part in counted.rows if part.transport == transport]
    return _branches(parts) if {"server", "client"} <= {part.part for part in parts} else 0


def size(counted: Complexity, transport: str) -> str:
    """Return lines and branches of server and client together, in words."""
    return _size_of([part for part in counted.rows if part.transport == transport])


def _of(parts: Sequence[Part], kind: str, transport: str) -> list[Part]:
    return [part for part in parts if part.part == kind and part.transport == transport]


def _branches(parts: Sequence[Part]) -> int:
    return sum(part.branches for part in parts)


def _size_of(parts: Sequence[Part]) -> str:
    return f"{sum(part.lines for part in parts):,} lines with {_branches(parts):,} branches"
