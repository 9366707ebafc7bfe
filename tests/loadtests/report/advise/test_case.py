"""A case is read from a few words; a bad one is refused in one sentence that says what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtests.records.errors import ScenarioError, UsageError
from loadtests.report.advise import case, words
from loadtests.report.advise.case import Case


def test_nothing_given_is_the_default_and_is_said() -> None:
    assert case.of_words({}) == Case()
    assert case.of_words({}).words == (
        "--rate 1/s --payload 128B --subscribers 1000 --rooms 20 --direction down --link rtt=50ms --clients browser "
        "--proxy none"
    )


def test_every_option_is_read() -> None:
    asked: dict[str, str | bool] = {
        "rate": "30/min", "payload": "2KiB", "subscribers": "20000", "rooms": "400", "direction": "both",
        "link": "rtt=80ms,loss=1%", "clients": "browser,mobile", "proxy": "nginx", "tls": True, "within": "1s",
    }  # fmt: skip
    assert case.of_words(asked) == Case(
        0.5, 2048, 20_000, 400, "both", "rtt=80ms,loss=1%", ("browser", "mobile"), "nginx", True, 1000.0
    )


def numbers(least: str, most: int) -> st.SearchStrategy[str]:
    """As people write them: up to six decimals."""
    return st.decimals(least, most, places=6).map(lambda d: f"{d:f}") | st.integers(1, most).map(str)


@settings(max_examples=200, deadline=None)
@given(
    rate=numbers("0.001", 10_000),
    per=st.sampled_from(["s", "min", "h"]),
    within=numbers("0.001", 3600),
    unit=st.sampled_from(["ms", "s"]),
    payload=st.sampled_from(["1B", "2KiB", "1.5kB", "1000kB"]),
    tls=st.booleans(),
)
@example(rate="6", per="h", within="1000", unit="s", payload="1B", tls=True)
def test_the_words_of_a_case_are_read_as_the_same_case(
    rate: str, per: str, within: str, unit: str, payload: str, tls: bool
) -> None:
    asked: dict[str, str | bool] = {
        "rate": f"{rate}/{per}",
        "within": f"{within}{unit}",
        "payload": payload,
        "tls": tls,
    }
    read = case.of_words(asked)
    said = read.words.removesuffix(" --tls").replace(" --tls ", " ").split()
    again: dict[str, str | bool] = {
        name.removeprefix("--"): text for name, text in zip(said[::2], said[1::2], strict=True)
    }
    assert case.of_words({**again, "tls": tls}) == read


def test_words_are_known_by_their_form_in_any_order() -> None:
    typed = "tls 300B both 4g nginx 5/s mobile 400rooms 20000subscribers eu-small"
    found = words.read(typed.split(), {})
    price = found.pop("price")
    assert price == "eu-small"
    read = case.of_words(found)
    assert (read.rate_per_s, read.payload_bytes, read.rooms, read.tls) == (5.0, 300, 400, True)
    assert (read.clients, read.proxy, read.one_way_ms) == (("mobile",), "nginx", 25.0)


@pytest.mark.parametrize(
    ("option", "text", "allowed"),
    [
        ("rate", "5/m", "5/s, 30/min or 100/h"),
        ("rate", "0/s", "5/s, 30/min or 100/h"),
        ("rate", "-5/s", "5/s, 30/min or 100/h"),
        ("payload", "300", "300B, 1kB or 4KiB"),
        ("payload", "0B", "from 1B"),
        ("subscribers", "many", "a whole number from 1"),
        ("rooms", "0", "a whole number from 1"),
        ("direction", "up", "down, both"),
        ("clients", "fridge", "browser, mobile, app"),
        ("proxy", "my proxy!", "a name as nginx"),
        ("proxy", "mobile", "a name as nginx"),
        ("within", "soon", "200ms or 1s"),
    ],
)
def test_bad_input_is_told_what_is_allowed(option: str, text: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"--{option} is ") as refused:
        case.of_words({option: text})
    assert allowed in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_link_has_the_sentence_of_links() -> None:
    with pytest.raises(ScenarioError, match="allowed: rtt=50ms"):
        case.of_words({"link": "fast"})


def test_more_rooms_than_subscribers_are_refused() -> None:
    with pytest.raises(UsageError, match="2,000 rooms for 1,000 subscribers"):
        case.of_words({"rooms": "2000"})


def test_a_word_that_says_nothing_or_the_same_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="'quickly' says nothing here; allowed: 5/s"):
        words.read(["quickly"], {})
    with pytest.raises(UsageError, match="give it once"):
        words.read(["5/s"], {"rate": "6/s"})
