"""Make the facts from two named package versions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.evidence.support import packages, shares
from loadtests.evidence.support.catalogue import QUESTIONS, Question
from loadtests.evidence.support.mdn import Mdn
from loadtests.evidence.support.packages import Caniuse
from loadtests.records.errors import SupportError
from loadtests.records.facts import SCHEMA, Api, Facts, Source

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
        attributed_percent=shares.attributed_percent(data),
        apis=tuple(_api(question, mdn, data) for question in QUESTIONS),
    )


def _api(question: Question, mdn: Mdn, data: Caniuse) -> Api:
    alone = shares.by_caniuse(data, question.caniuse)
    since = mdn.since(question.mdn) if question.mdn else {}
    judge = shares.by_mdn(since, alone)
    if question.removals:
        judge = shares.after_removals(mdn, question.removals, judge)
    return Api(
        name=question.name,
        title=question.title,
        mdn=question.mdn,
        caniuse=question.caniuse,
        since=since,
        share=shares.share(data, judge),
        caniuse_share=shares.share(data, alone),
        removals=question.removals,
    )


def _newest_release(data: Caniuse) -> str:
    """The package carries no date of its own: the newest browser release that it knows dates it."""
    dates = [instant for browser in data.browsers.values() for instant in browser.released.values() if instant]
    if not dates:
        raise SupportError("caniuse-lite knows no release date")
    return datetime.fromtimestamp(max(dates), UTC).date().isoformat()
