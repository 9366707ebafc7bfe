"""Which browsers can speak which transport, from published compatibility data: never from memory.

`facts.json` is made by `python -m loadtests.evidence.support` from two npm packages and committed with their versions.
No server, no client and no Locust here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.evidence.support import packages
from loadtests.evidence.support.packages import Caniuse, Mdn, number
from loadtests.records.errors import SupportError
from loadtests.records.facts import SCHEMA, Api, Facts, Removal, Share, Source


@dataclass(frozen=True, slots=True)
class Question:
    """One API: its path in MDN's data (empty if MDN has none) and its feature at caniuse."""

    name: str
    title: str
    mdn: str
    caniuse: str
    removals: tuple[Removal, ...] = ()


# Neither package has an entry for HTTP/2 push. What the makers of two engines announced stands here with its source;
# of WebKit nothing was found, so its share is counted as unknown.
PUSH_REMOVALS = (
    Removal("Blink", 106, "2022-08-18", "https://developer.chrome.com/blog/removing-push"),
    Removal("Gecko", 132, "2024-10-29", "https://developer.mozilla.org/en-US/docs/Mozilla/Firefox/Releases/132"),
)

QUESTIONS = (
    Question("websocket", "WebSocket", "api.WebSocket", "websockets"),
    Question("eventsource", "EventSource", "api.EventSource", "eventsource"),
    Question("response-body", "fetch, body read as a stream", "api.Response.body", "streams"),
    Question("xhr", "XMLHttpRequest", "api.XMLHttpRequest", "xhr2"),
    Question("fetch", "fetch", "api.fetch", "fetch"),
    Question("http2", "HTTP/2", "", "http2"),
    Question("h2push", "HTTP/2 push", "", "http2", PUSH_REMOVALS),
    Question("webtransport", "WebTransport", "api.WebTransport", "webtransport"),
)

MDN_NAMES = {
    "ie": "ie",
    "edge": "edge",
    "firefox": "firefox",
    "chrome": "chrome",
    "safari": "safari",
    "opera": "opera",
    "ios_saf": "safari_ios",
    "and_chr": "chrome_android",
    "and_ff": "firefox_android",
    "android": "webview_android",
    "samsung": "samsunginternet_android",
    "op_mob": "opera_android",
}
"""caniuse's name of a browser -> MDN's; of the others MDN has no data."""


class Support(StrEnum):
    """What is published of one browser version."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"
    UNKNOWN = "unknown"


Judge = Callable[[str, str], Support]
"""From caniuse's browser name and version."""

_DIGITS = 2
_CANIUSE = {"y": Support.FULL, "a": Support.PARTIAL, "u": Support.UNKNOWN}


def attributed_percent(data: Caniuse) -> float:
    """Percent of all page views that caniuse attributes to a version of a browser."""
    return round(math.fsum(usage for _, _, usage in _usages(data)), _DIGITS)


def share(data: Caniuse, judge: Judge) -> Share:
    """Sum the usage of every version by what is published of it, in percent of the attributed usage."""
    parts: dict[Support, list[float]] = {support: [] for support in Support}
    for browser, version, usage in _usages(data):
        parts[judge(browser, version)].append(usage)
    total = math.fsum(usage for _, _, usage in _usages(data))
    percent = {support: round(100 * math.fsum(found) / total, _DIGITS) for support, found in parts.items()}
    return Share(percent[Support.FULL], percent[Support.PARTIAL], percent[Support.NONE], percent[Support.UNKNOWN])


def by_caniuse(data: Caniuse, feature: str) -> Judge:
    """Judge by caniuse's own statements: `y` full, `a` partial, anything else none."""
    stats = data.stats[feature]

    def judge(browser: str, version: str) -> Support:
        said = stats.get(browser, {}).get(version)
        return Support.UNKNOWN if said is None else _CANIUSE.get(said[:1], Support.NONE)

    return judge


def by_mdn(since: Mapping[str, str], otherwise: Judge) -> Judge:
    """Judge by MDN's first versions; browsers that MDN does not cover by `otherwise`."""

    def judge(browser: str, version: str) -> Support:
        first = since.get(MDN_NAMES.get(browser, ""))
        asked = number(version)
        if first is None or asked is None:
            return otherwise(browser, version)
        added = number(first)
        return Support.FULL if added is not None and asked >= added else Support.NONE

    return judge


def after_removals(mdn: Mdn, removals: Sequence[Removal], before: Judge) -> Judge:
    """Judge what engines took away again: none from that version on, `before` where the removal is still to come.

    An engine of which no removal is published is unknown, and so is a browser whose engine is.
    """
    removed = {removal.engine: removal.version for removal in removals}

    def judge(browser: str, version: str) -> Support:
        had = before(browser, version)
        if had is Support.NONE:
            return had
        engine = mdn.engine(MDN_NAMES.get(browser, ""), version)
        if engine is None or engine[0] not in removed:
            return Support.UNKNOWN
        return Support.NONE if engine[1] >= removed[engine[0]] else had

    return judge


def _usages(data: Caniuse) -> Iterator[tuple[str, str, float]]:
    for name, browser in sorted(data.browsers.items()):
        for version, usage in sorted(browser.usage.items()):
            if usage:
                yield name, version, usage


MDN, CANIUSE = "@mdn/browser-compat-data", "caniuse-lite"


def fetched(mdn_version: str, caniuse_version: str) -> Facts:
    """Fetch both packages and make the facts: the same versions give the same facts. Raises SupportError."""
    with TemporaryDirectory(prefix="rtlab-support-") as scratch:
        mdn = packages.unpacked(MDN, mdn_version, Path(scratch) / "mdn")
        caniuse = packages.unpacked(CANIUSE, caniuse_version, Path(scratch) / "caniuse")
        data = packages.caniuse(caniuse, [question.caniuse for question in QUESTIONS])
        return made(Mdn(mdn), data, mdn_version, caniuse_version)


def made(mdn: Mdn, data: Caniuse, mdn_version: str, caniuse_version: str) -> Facts:
    """Make the facts from what was read. Raises SupportError."""
    return Facts(
        schema=SCHEMA,
        sources=(
            Source(MDN, mdn_version, mdn.date, "CC0-1.0"),
            Source(CANIUSE, caniuse_version, _newest_release(data), "CC-BY-4.0"),
        ),
        attributed_percent=attributed_percent(data),
        apis=tuple(_api(question, mdn, data) for question in QUESTIONS),
    )


def _api(question: Question, mdn: Mdn, data: Caniuse) -> Api:
    alone = by_caniuse(data, question.caniuse)
    since = mdn.since(question.mdn) if question.mdn else {}
    judge = by_mdn(since, alone)
    if question.removals:
        judge = after_removals(mdn, question.removals, judge)
    return Api(
        name=question.name,
        title=question.title,
        mdn=question.mdn,
        caniuse=question.caniuse,
        since=since,
        share=share(data, judge),
        caniuse_share=share(data, alone),
        removals=question.removals,
    )


def _newest_release(data: Caniuse) -> str:
    """The package carries no date of its own: the newest browser release that it knows dates it."""
    dates = [instant for browser in data.browsers.values() for instant in browser.released.values() if instant]
    if not dates:
        raise SupportError("caniuse-lite knows no release date")
    return datetime.fromtimestamp(max(dates), UTC).date().isoformat()
