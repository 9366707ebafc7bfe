from __future__ import annotations

from typing import Any

import pytest
from locust.env import Environment

from loadtests.load.users import locust_tables
from loadtests.load.users.locust_tables import ForeignClockCount
from loadtests.load.users.recorder import Recorder


@pytest.fixture
def environment() -> Environment:
    environment = Environment()
    environment.create_local_runner()
    locust_tables.install(environment, ["WebSocketUser"])
    return environment


@pytest.mark.parametrize(("exact", "shown"), [(0.4127, 0.41), (0.0412, 0.041), (7.77, 7.8), (147.0, 150.0), (0.0, 0.0)])
def test_two_digits_are_kept_at_any_size(exact: float, shown: float) -> None:
    assert locust_tables.bucket_two_digits(exact) == shown


def test_fractions_of_a_millisecond_reach_web_ui_and_console(environment: Environment) -> None:
    shown = locust_tables.LocustReporter(environment.events, "WebSocketUser")
    for latency_ms in (0.2, 0.41, 0.63):
        shown.delivered(latency_ms, 248)
    entry = environment.stats.get(locust_tables.NAME, "WebSocketUser")
    row = entry.to_dict()
    assert (row["min_response_time"], row["median_response_time"], row["max_response_time"]) == (0.2, 0.41, 0.63)
    assert environment.stats.total.to_dict()["median_response_time"] == 0.41
    assert "0.41" in entry.to_string(current=False)
    assert "0.41" in str(entry)
    assert "0.41" in entry.percentile()
    assert locust_tables.count_deliveries(environment) == 3


def test_a_failure_is_counted_as_one_and_never_as_a_delivery(environment: Environment) -> None:
    locust_tables.LocustReporter(environment.events, "WebSocketUser").failed("connect", OSError("refused"))
    assert environment.stats.get("connect", "WebSocketUser").num_failures == 1
    assert locust_tables.count_deliveries(environment) == 0


@pytest.mark.parametrize("per_s", [0, 10, 50, 5000, 20_000])
def test_the_sample_stays_small(per_s: int) -> None:
    shown = 0
    sample = locust_tables.LocustReporter(Environment().events, "x")
    for second in range(20):
        sample.adapt(per_s)
        shown += len(_shown_of(sample, per_s)) if second else 0
    assert shown <= 19 * 2 * 50
    assert shown == pytest.approx(19 * min(per_s, 50), rel=0.2)


def test_the_first_second_has_no_more_weight_than_its_deliveries_need() -> None:
    assert len(_shown_of(locust_tables.LocustReporter(Environment().events, "x"), 50_000)) < 1000


def test_no_place_in_a_fan_out_is_shown_more_often_than_another() -> None:
    receivers, shown = 25, [0] * 25
    for _ in range(40):
        sample = locust_tables.LocustReporter(Environment().events, "x")
        sample.adapt(50 * receivers)  # one delivery of each message, on average
        for number in _shown_of(sample, 50 * receivers):
            shown[number % receivers] += 1
    # Some eighty times each. Drawn evenly, the least is half of the greatest or less in one run of some hundreds, and
    # below 0.4 in one of 100,000; with a stride in step with the fan-out it is 0.
    assert min(shown) > 0.4 * max(shown)


def _shown_of(sample: locust_tables.LocustReporter, deliveries: int) -> list[int]:
    """Return which of so many deliveries in one second are shown."""
    shown: list[int] = []
    for number in range(deliveries):
        sample.left -= 1
        if sample.left <= 0:
            shown.append(number)
            sample.delivered(1.0, 1)
    return shown


def _worker(foreign_clock: int) -> tuple[Environment, Recorder]:
    environment, recorder = Environment(), Recorder("locust-0")
    recorder.foreign_clock = foreign_clock
    ForeignClockCount(environment).begin(recorder)
    return environment, recorder


def _report(worker: Environment, master: Environment, client_id: str) -> None:
    data: dict[str, Any] = {}
    worker.events.report_to_master.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]
    master.events.worker_report.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]


def test_the_master_adds_up_what_its_workers_last_said() -> None:
    master = Environment()
    tally = ForeignClockCount(master)
    tally.begin(None)
    (one, recorder), (two, _) = _worker(3), _worker(5)
    _report(one, master, "one")
    recorder.foreign_clock = 4
    _report(one, master, "one")
    _report(two, master, "two")
    assert tally.count == 9
    tally.begin(None)
    assert tally.count == 0


def test_a_process_alone_counts_its_own() -> None:
    environment, recorder = Environment(), Recorder("locust-0")
    tally = ForeignClockCount(environment)
    tally.begin(recorder)
    recorder.foreign_clock = 2
    assert tally.count == 2
