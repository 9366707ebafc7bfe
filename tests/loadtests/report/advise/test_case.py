"""A case is read from a few words; a bad one is refused in one sentence that says what is allowed."""

from __future__ import annotations

import pytest

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
    given: dict[str, str | bool] = {
        "rate": "30/min", "payload": "2KiB", "subscribers": "20000", "rooms": "400", "direction": "both",
        "link": "rtt=80ms,loss=1%", "clients": "browser,mobile", "proxy": "nginx", "tls": True, "within": "1s",
    }  # fmt: skip
    assert case.of_words(given) == Case(
        0.5, 2048, 20_000, 400, "both", "rtt=80ms,loss=1%", ("browser", "mobile"), "nginx", True, 1000.0
    )


def test_words_are_known_by_their_form_in_any_order() -> None:
    given = "tls 300B both 4g nginx 5/s mobile 400rooms 20000subscribers eu-small"
    found = words.read(given.split(), {})
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
