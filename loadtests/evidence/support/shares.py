"""How much of the world's usage can do something: published support x caniuse's usage, version by version."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum

from loadtests.evidence.support.catalogue import MDN_NAMES
from loadtests.evidence.support.mdn import Mdn, number
from loadtests.evidence.support.packages import Caniuse
from loadtests.records.facts import Removal, Share


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
