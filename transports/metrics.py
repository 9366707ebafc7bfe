"""`/metrics`: the hub's plain counters in Prometheus text, made only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from core.hub import Hub


class HubCollector(Collector):
    """Reads one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        """Every metric of the contract."""
        stats = self._hub.stats
        yield _labelled(
            GaugeMetricFamily, "rtlab_connections", "Live streams and held polls", "transport", stats.connections
        )
        yield GaugeMetricFamily("rtlab_rooms", "Rooms held by this process", value=self._hub.backplane.rooms)
        yield CounterMetricFamily(
            "rtlab_events_published", "Events that were given an offset", value=self._hub.backplane.appended
        )
        yield _labelled(
            CounterMetricFamily,
            "rtlab_deliveries",
            "Events handed to a socket or answered in a poll",
            "transport",
            stats.deliveries,
        )
        yield _labelled(CounterMetricFamily, "rtlab_resumes", "Resumes by how they ended", "outcome", stats.resumes)
        yield _labelled(CounterMetricFamily, "rtlab_rejected", "Refusals by code", "code", stats.rejected)
        yield _labelled(
            CounterMetricFamily,
            "rtlab_slow_consumers",
            "Subscribers cut because their outbox was full",
            "transport",
            stats.slow_consumers,
        )
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

    def __init__(self, hub: Hub) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(HubCollector(hub))

    def text(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # collected outside the event loop
        return 0


def _labelled(
    family: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    documentation: str,
    label: str,
    values: dict[str, int],
) -> Metric:
    metric = family(name, documentation, labels=[label])
    for value, count in values.items():
        metric.add_metric([value], count)
    return metric
