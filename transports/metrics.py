"""`/metrics`: the hub's plain counters in Prometheus text, made only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from core.hub import Hub
from core.model import ResyncReason
from transports.errors import HTTP_STATUS

_OUTCOMES: Final = ("recovered", *get_args(ResyncReason))
_CODES: Final = tuple(HTTP_STATUS)

_Labelled = TypeVar("_Labelled", CounterMetricFamily, GaugeMetricFamily)


class HubCollector(Collector):
    """Reads one hub, for one server. What can be counted is there from the start, at 0."""

    def __init__(self, hub: Hub, transports: Sequence[str]) -> None:
        self._hub = hub
        self._transports = transports

    def collect(self) -> Iterable[Metric]:
        """Every metric of the contract."""
        stats, transports = self._hub.stats, self._transports
        yield _labelled(
            GaugeMetricFamily("rtlab_connections", "Live streams and held polls", labels=["transport"]),
            transports, stats.connections,
        )  # fmt: skip
        yield GaugeMetricFamily("rtlab_rooms", "Rooms held by this process", value=self._hub.backplane.rooms)
        yield CounterMetricFamily(
            "rtlab_events_published", "Events that were given an offset", value=self._hub.backplane.appended
        )
        yield _labelled(
            CounterMetricFamily(
                "rtlab_deliveries", "Events handed to a socket or answered in a poll", labels=["transport"]
            ),
            transports, stats.deliveries,
        )  # fmt: skip
        yield _labelled(
            CounterMetricFamily("rtlab_resumes", "Resumes by how they ended", labels=["outcome"]),
            _OUTCOMES, stats.resumes,
        )  # fmt: skip
        yield _labelled(
            CounterMetricFamily("rtlab_rejected", "Refusals by code", labels=["code"]), _CODES, stats.rejected
        )
        yield _labelled(
            CounterMetricFamily(
                "rtlab_slow_consumers", "Subscribers cut because their outbox was full", labels=["transport"]
            ),
            transports, stats.slow_consumers,
        )  # fmt: skip
        yield GaugeMetricFamily("rtlab_outbox_bytes", "Bytes waiting in all outboxes", value=self._hub.outbox_bytes)
        yield GaugeMetricFamily("rtlab_tasks", "Tasks of the event loop", value=_tasks())
        yield SummaryMetricFamily(
            "rtlab_backplane_seconds",
            "Time spent in calls to the backplane",
            count_value=stats.backplane_calls,
            sum_value=stats.backplane_s,
        )


class Exposition:
    """The text of one hub's metrics."""

    def __init__(self, hub: Hub, transports: Sequence[str]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(HubCollector(hub, transports))

    def text(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # collected outside the event loop
        return 0


def _labelled(metric: _Labelled, known: Sequence[str], counted: Mapping[str, int]) -> _Labelled:
    """The metric, with a sample for each label that is known or was counted."""
    for label, count in {**dict.fromkeys(known, 0), **counted}.items():
        metric.add_metric([label], count)
    return metric
