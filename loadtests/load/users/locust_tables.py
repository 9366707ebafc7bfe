"""What Locust's own tables and web UI show: a small sample of the deliveries, live and indicative.

A report never reads this sample. Locust rounds to whole milliseconds, which is nothing but zeros on a loopback. Two of
its documented seams mend that: `stats.bucket_response_time` (replaceable by design) keeps two significant digits below
1 ms too, and a `StatsEntry` of ours prints with decimals. The unit stays Locust's: milliseconds.
"""

from __future__ import annotations

import math
import random
from typing import Any

from locust import stats
from locust.env import Environment
from locust.event import Events

from loadtests.load.users.recorder import Recorder

NAME = "delivery latency (sampled)"
PUBLISH = "publish"
_PER_S = 50  # about so many samples a second reach Locust
_BURST = 2  # so many times as many in one second, before fewer are shown in what is left of it


class LocustReporter:
    """Passes every publication, and one in `stride` deliveries, on to Locust's request event.

    Which ones is drawn, each as likely as any other: every n-th could be the same subscriber's of every message. What
    records deliveries counts `left` down and shows the one at which it reaches zero. `publications` and `failures` are
    what Locust's tables were told of them.
    """

    __slots__ = ("_events", "_label", "_random", "_shown", "failures", "left", "publications", "stride")

    def __init__(self, events: Events, label: str) -> None:
        self._events = events
        self._label = label
        self._random = random.Random()
        self.stride = self.left = 1
        self._shown = 0  # since the stride was chosen
        self.forget()

    def forget(self) -> None:
        """Count anew, as Locust does with its --reset-stats."""
        self.publications = self.failures = 0

    def delivered(self, latency_ms: float, wire_bytes: int, label: str = "") -> None:
        """Show one delivery, in the row of `label` or the reporter's own."""
        self._shown += 1
        if self._shown == _BURST * _PER_S:  # the second before had fewer, or there was none
            self.stride, self._shown = 2 * self.stride, 0
        self.left = self._gap()
        self._fire(NAME, latency_ms, wire_bytes, None, label)

    def published(self, answered_ms: float, label: str = "") -> None:
        """Show one publication, acknowledged after so long."""
        self.publications += 1
        self._fire(PUBLISH, answered_ms, 0, None, label)

    def failed(self, what: str, error: Exception, label: str = "", waited_ms: float = 0.0) -> None:
        """Show one failure, after `waited_ms` without an answer; that of a PUBLISH is one publication more."""
        self.publications += what == PUBLISH
        self.failures += 1
        self._fire(what, waited_ms, 0, error, label)

    def adapt(self, deliveries_per_s: int) -> None:
        """Choose the stride for the next second."""
        self.stride, self._shown = max(1, deliveries_per_s // _PER_S), 0
        self.left = self._gap()

    def _gap(self) -> int:
        """Draw how many deliveries it is to the next that is shown: geometrically, without memory of the last one."""
        if self.stride == 1:
            return 1
        return 1 + int(math.log(1 - self._random.random()) / math.log1p(-1 / self.stride))

    def _fire(
        self, name: str, response_time: float, response_length: int, exception: Exception | None, label: str
    ) -> None:
        self._events.request.fire(  # type: ignore[no-untyped-call]
            request_type=label or self._label,
            name=name,
            response_time=response_time,
            response_length=response_length,
            exception=exception,
        )


class DeliveryEntry(stats.StatsEntry):
    """A row of Locust's tables that shows fractions of a millisecond."""

    def to_dict(self, escape_string_values: bool = False) -> dict[str, int | float | str]:
        """The row for the web UI: minimum and maximum as they are."""
        row: dict[str, int | float | str] = super().to_dict(escape_string_values)
        row["min_response_time"] = round(self.min_response_time or 0, 3)
        row["max_response_time"] = round(self.max_response_time, 3)
        return row

    def to_string(self, current: bool = True) -> str:
        """The row for the console, in Locust's own columns."""
        per_s, failures_per_s = (
            (self.current_rps, self.current_fail_per_sec) if current else (self.total_rps, self.total_fail_per_sec)
        )
        width = stats.STATS_NAME_WIDTH - stats.STATS_TYPE_WIDTH + 4
        failures = f"{self.num_failures}({self.fail_ratio:.2%})"
        times = (self.avg_response_time, self.min_response_time or 0, self.max_response_time, self.median_response_time)
        average, minimum, maximum, median = (f"{time_ms:7.2f}" for time_ms in times)
        return (
            f"{self.method or '':<{stats.STATS_TYPE_WIDTH}} {self.name:<{width}} {self.num_requests:7d} {failures:>12}"
            f" |{average} {minimum} {maximum}{median} | {per_s:7.2f} {failures_per_s:11.2f}"
        )

    def percentile(self) -> str:
        """The console's row of percentiles."""
        values = " ".join(
            f"{self.get_response_time_percentile(percentile) or 0:6.2f}" for percentile in stats.PERCENTILES_TO_REPORT
        )
        kind, name = stats.STATS_TYPE_WIDTH, stats.STATS_NAME_WIDTH
        return f"{self.method or '':<{kind}} {self.name:<{name}} {self.num_requests:8d} {values}"


class DeliveryEntries(stats.EntriesDict):
    """Locust's tables, with rows of ours."""

    def __missing__(self, key: tuple[str, str]) -> stats.StatsEntry:
        entry = self[key] = DeliveryEntry(self.request_stats, *key, use_response_times_cache=True)
        return entry


def bucket_two_digits(response_time_ms: float) -> float:
    """Round to two significant digits, above and below 1 ms alike."""
    return float(f"{response_time_ms:.2g}")


def install(environment: Environment, labels: list[str]) -> None:
    """Make `environment` show fractions of a millisecond; call it whenever its statistics were cleared."""
    stats.bucket_response_time = bucket_two_digits  # type: ignore[assignment]  # annotated int, used as any number
    known = environment.stats
    known.total = DeliveryEntry(known, "Aggregated", "", use_response_times_cache=known.use_response_times_cache)
    known.entries = DeliveryEntries(known)  # type: ignore[no-untyped-call]
    for label in labels:
        known.get(NAME, label)  # a row from the start


def count_deliveries(environment: Environment) -> int:
    """Sampled deliveries that reached this environment's statistics, from its workers too."""
    return sum(entry.num_requests for (name, _), entry in environment.stats.entries.items() if name == NAME)


_KEY = "rtlab_strangers"


class ForeignClockCount:
    """Deliveries whose publication another clock stamped: Locust's statistics have no row for them.

    Each process counts its own. A worker sends its count with its statistics, every few seconds and once at the end;
    where Locust reports, the counts are added up.
    """

    def __init__(self, environment: Environment) -> None:
        """Listen to the environment's reports."""
        self._recorder: Recorder | None = None
        self._of_workers: dict[str, int] = {}
        environment.events.report_to_master.add_listener(self._report)  # type: ignore[no-untyped-call]
        environment.events.worker_report.add_listener(self._receive)  # type: ignore[no-untyped-call]

    def begin(self, recorder: Recorder | None) -> None:
        """Count anew: a test starts, whose deliveries `recorder` has; None where no users run."""
        self._recorder = recorder
        self._of_workers.clear()

    @property
    def count(self) -> int:
        """The sum over all processes."""
        return (self._recorder.foreign_clock if self._recorder is not None else 0) + sum(self._of_workers.values())

    def _report(self, client_id: str, data: dict[str, Any]) -> None:
        if self._recorder is not None:
            data[_KEY] = self._recorder.foreign_clock

    def _receive(self, client_id: str, data: dict[str, Any]) -> None:
        # Each report holds the worker's whole count, so that one that is lost costs nothing.
        self._of_workers[client_id] = data.get(_KEY, self._of_workers.get(client_id, 0))
