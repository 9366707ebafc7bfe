"""The guide's column of browser support: published facts weighed by usage, and a look into the browsers here."""

from __future__ import annotations

from core.catalogue import records
from loadtests.records.facts import Api, Facts
from loadtests.report.quantity import listed
from loadtests.report.verdicts.evidence import Browser, Evidence
from loadtests.report.verdicts.ruling import SUPPORT_PERCENT, Finding, Rule, Verdict, not_tested

_ENGINES = {"Blink": "Chrome and its kin", "Gecko": "Firefox"}


def support(transport: str, word: str) -> Rule:
    """Make the rule for one word: the share of usage with the API must lie in the word's range.

    Where nothing is published of some browsers the share is a range itself; a word that only part of it fits depends on
    them. A browser here that lacks what it should have turns a true word into one that holds elsewhere.
    """

    def rule(evidence: Evidence) -> Finding:
        facts = evidence.support
        api = api_of(facts, transport) if facts else None
        if facts is None or api is None:
            return not_tested("There are no published facts on it beside this run.")
        verdict = fits(word, api.share.full, api.share.full + api.share.partial + api.share.unknown)
        condition = f"browsers of which nothing is published have it ({percent(api.share.unknown)} % of usage)"
        lacking = [browser.name.capitalize() for browser in evidence.browsers if browser.found.get(_key(api)) is False]
        if verdict is Verdict.TRUE and lacking:
            verdict, condition = Verdict.TRUE_IF, f"the browser is not {listed(lacking)}: it lacks it here"
        return Finding(
            verdict,
            f"{_published(api)} {_live(evidence, api)}".rstrip(),
            condition if verdict is Verdict.TRUE_IF else "",
            _source(evidence, facts),
        )

    return rule


def api_of(facts: Facts, transport: str) -> Api | None:
    """Return what is published of the API that a transport needs of a browser."""
    record = records().get(transport)
    return facts.api(record.needs.api) if record is not None else None


def fits(word: str, low_percent: float, high_percent: float) -> Verdict:
    """Tell whether a share that lies between two bounds fits a word's range."""
    least, most = SUPPORT_PERCENT[word]
    inside = least <= low_percent and high_percent <= most
    outside = high_percent < least or low_percent > most
    return Verdict.TRUE if inside else Verdict.FALSE if outside else Verdict.TRUE_IF


def publications(facts: Facts) -> str:
    """Name the packages with version and date."""
    return listed([f"{source.package} {source.version} of {source.date}" for source in facts.sources])


def percent(value: float) -> str:
    """Return a share to a tenth of a percent, without the sign: `100`, `99.8`."""
    return f"{value:.1f}".removesuffix(".0")


def _source(evidence: Evidence, facts: Facts) -> str:
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
        return f"{listed(refusing)} told our server not to push." if refusing else ""
    said = [_said(browser, api) for browser in evidence.browsers if isinstance(browser.found.get(_key(api)), bool)]
    return f"Looked for here: {listed(said)}." if said else ""


def _said(browser: Browser, api: Api) -> str:
    return f"{browser.name.capitalize()} has it" if browser.found[_key(api)] else f"{browser.name.capitalize()} has not"
