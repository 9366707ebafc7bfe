"""Shares follow version by version from what is published, and what is not published is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.evidence import support as published
from loadtests.evidence.support.packages import number
from loadtests.records.errors import SupportError
from loadtests.records.facts import Removal, Share
from tests.loadtests.evidence.support.published import CANIUSE, mdn

REMOVED = (Removal("Blink", 106, "2022-08-18", "https://example.org/"),)


def test_caniuse_alone_tells_full_partial_and_none() -> None:
    found = published.share(CANIUSE, published.by_caniuse(CANIUSE, "websockets"))
    assert found == Share(full=62.5, partial=25.0, none=12.5, unknown=0.0)
    assert published.attributed_percent(CANIUSE) == 80.0


def test_mdn_decides_where_it_speaks_and_caniuse_elsewhere() -> None:
    judge = published.by_mdn({"chrome": "105", "safari": "15"}, published.by_caniuse(CANIUSE, "http2"))
    assert published.share(CANIUSE, judge) == Share(full=87.5, partial=0.0, none=12.5, unknown=0.0)


def test_a_version_nobody_speaks_of_is_unknown() -> None:
    assert published.by_caniuse(CANIUSE, "http2")("chrome", "999") is published.Support.UNKNOWN
    assert published.by_mdn({}, published.by_caniuse(CANIUSE, "http2"))("safari", "TP") is published.Support.UNKNOWN


def test_what_an_engine_took_away_is_gone_from_that_version_on(tmp_path: Path) -> None:
    judge = published.after_removals(mdn(tmp_path, {}), REMOVED, published.by_caniuse(CANIUSE, "http2"))
    assert judge("chrome", "100") is published.Support.FULL
    assert judge("chrome", "110") is published.Support.NONE
    assert judge("chrome", "120") is published.Support.NONE
    assert judge("safari", "15.2-15.3") is published.Support.UNKNOWN  # nothing published on WebKit
    assert judge("and_uc", "15.5") is published.Support.UNKNOWN  # engine not known
    assert published.share(CANIUSE, judge) == Share(full=12.5, partial=0.0, none=50.0, unknown=37.5)


@pytest.mark.parametrize(
    ("support", "first"),
    [
        ({"version_added": "5"}, "5"),
        ({"version_added": False}, ""),
        ({"version_added": "preview"}, "preview"),
        ({"version_added": "5", "version_removed": "9"}, ""),
        ({"version_added": "5", "partial_implementation": True}, ""),
        ([{"version_added": "11"}, {"version_added": "7", "prefix": "Moz", "version_removed": "11"}], "11"),
        ([{"version_added": "7", "flags": [{"name": "x", "type": "preference"}]}, {"version_added": "9"}], "9"),
    ],
)
def test_only_a_whole_unprefixed_lasting_form_counts(tmp_path: Path, support: object, first: str) -> None:
    assert mdn(tmp_path, {"chrome": support}).since("api.Thing") == {"chrome": first}


@pytest.mark.parametrize("path", ["api.Nothing", "api", "api.Thing.deeper"])
def test_a_path_without_support_data_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(SupportError, match=path):
        mdn(tmp_path, {}).since(path)


def test_versions_compare_as_numbers() -> None:
    assert number("15.2-15.3") == (15, 2)
    assert number("≤79") == (79,)
    assert number("TP") is None
    early, late = number("9"), number("10")
    assert early is not None
    assert late is not None
    assert early < late
