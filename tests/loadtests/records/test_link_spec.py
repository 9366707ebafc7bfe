"""A link's text: what is taken, how it is written again, what is refused and with which words."""

from __future__ import annotations

import re

import pytest

from loadtests.records.errors import ScenarioError
from loadtests.records.link_spec import PROFILES, Link, canonical, parse, profile_of
from loadtests.report.model import link_one_way_ms


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("rtt=50ms", Link(rtt_ms=50)),
        ("rtt=0.6s", Link(rtt_ms=600)),
        ("rtt=50ms, jitter=5ms ,loss=1%,rate=10mbit", Link(rtt_ms=50, jitter_ms=5, loss_percent=1, rate_mbit=10)),
        ("rate=512kbit,rtt=80ms", Link(rtt_ms=80, rate_mbit=0.512)),
        ("loopback", None),
        ("3g", PROFILES["3g"]),
    ],
)
def test_texts_and_profiles_are_read(text: str, link: Link | None) -> None:
    assert parse(text) == link


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_written_reads_as_the_same_link(name: str) -> None:
    written = str(PROFILES[name])

    assert parse(written) == PROFILES[name]
    assert profile_of(written) == name
    assert link_one_way_ms(written) == pytest.approx(PROFILES[name].one_way_ms)


@pytest.mark.parametrize(
    "link",
    [
        Link(rtt_ms=1e-05),
        Link(rtt_ms=10_000, jitter_ms=1e-06),
        Link(rtt_ms=1.23456789, loss_percent=1e-05),
        Link(rtt_ms=5, rate_mbit=1e-09),
    ],
    ids=str,
)
def test_the_smallest_figures_are_written_without_exponent_and_read_again(link: Link) -> None:
    assert not re.search(r"\de", str(link))
    assert parse(str(link)) == link


def test_an_exponent_that_an_older_run_wrote_is_read() -> None:
    assert parse("rtt=1e-05ms") == Link(rtt_ms=1e-05)
    with pytest.raises(ScenarioError, match="at most 10000ms"):
        parse("rtt=1e+05ms")


@pytest.mark.parametrize("text", ["rtt=0.05s,jitter=0ms", "rtt=9999.123456789ms", "rtt=1.23456789e-9ms", "rtt=1e-12s"])
def test_one_link_has_one_text(text: str) -> None:
    assert parse(canonical(text)) == parse(text)
    assert canonical(canonical(text)) == canonical(text)
    assert canonical("rtt=0.05s,jitter=0ms") == "rtt=50ms"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5g", "there is no '5g'"),
        ("", "there is no 'empty part'"),
        ("rtt=50", "rtt is '50'"),
        ("rtt=-5ms", "rtt is '-5ms'"),
        ("rtt=50ms,rtt=60ms", "rtt is given twice"),
        ("jitter=5ms", "no rtt above 0"),
        ("rtt=0ms", "no rtt above 0"),
        ("rtt=20s", "at most 10000ms"),
        ("rtt=50ms,loss=51%", "at most 50%"),
        ("rtt=5ms,jitter=6ms", "jitter is more than rtt"),
        ("rtt=5ms,rate=0mbit", "a rate of 0"),
        ("rtt=1e-10ms", "rtt is 1e-10ms; 0 or at least 0.000000001ms is allowed"),
        ("rtt=5ms,rate=1e-7kbit", "at least 0.000000001mbit"),
    ],
)
def test_a_bad_text_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        parse(text)
