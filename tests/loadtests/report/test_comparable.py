"""Comparable or not: every protected field counts, and is named."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records.errors import RunError
from loadtests.records.schema import Run, Value
from loadtests.report import comparison
from tests.loadtests.records.test_store import cell, new_run

SETTINGS: dict[str, Value] = {"deflate": False, "warm_up_s": 1.0}


def run(settings: dict[str, Value] = SETTINGS, **load: object) -> Run:
    made = msgspec.structs.replace(cell("0-sse-5x1"), transport="sse", load="5x1", **load)
    return msgspec.structs.replace(
        new_run(1),
        run_id=f"run-{len(settings)}",
        manifest={"settings": settings, "git": {"commit": "abc"}},
        protected=tuple(f"settings.{key}" for key in settings),
        cells=(made,),
    )


def test_runs_that_agree_can_be_compared() -> None:
    assert comparison.require_comparable(run(), run()) == ()


def test_polling_grids_must_agree_where_both_runs_kept_them() -> None:
    assert comparison.require_comparable(run(), run(poll_interval_s=0.4)) == ()
    with pytest.raises(RunError, match=r"poll_interval_s of sse 5x1 is 0.1 in A and 0.4 in B"):
        comparison.require_comparable(run(poll_interval_s=0.1), run(poll_interval_s=0.4))


def test_fields_that_are_not_protected_may_differ() -> None:
    other = msgspec.structs.replace(run(), manifest={"settings": SETTINGS, "git": {"commit": "def"}})
    assert comparison.require_comparable(run(), other) == ()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (run({**SETTINGS, "deflate": True}), "settings.deflate is False in A and True in B"),
        (run({**SETTINGS, "redis_url": "redis://h"}), "settings.redis_url is nothing in A and redis://h in B"),
        (run(subscribers=6), "subscribers of sse 5x1 is "),
        (run(arrivals="burst"), "arrivals of sse 5x1 is constant in A and burst in B"),
        (run(link="rtt=50ms"), "link of sse 5x1 is "),
    ],
)
def test_what_differs_is_named(other: Run, said: str) -> None:
    with pytest.raises(RunError, match="can't be compared") as error:
        comparison.require_comparable(run(), other)
    assert said in str(error.value)


def test_a_difference_can_be_accepted_by_name_and_no_other_with_it() -> None:
    other = run({"deflate": True, "warm_up_s": 2.0})
    both = {"settings.deflate", "settings.warm_up_s"}
    assert comparison.require_comparable(run(), other, both)[0] == "settings.deflate is False in A and True in B"
    with pytest.raises(RunError, match=r"compared: settings.warm_up_s is 1.0 in A and 2.0 in B$"):
        comparison.require_comparable(run(), other, {"settings.deflate"})
    with pytest.raises(RunError, match=r"--despite settings.nonsense: allowed are the protected fields: "):
        comparison.require_comparable(run(), other, {"settings.nonsense"})
