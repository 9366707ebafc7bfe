"""Reading `GET /metrics`, and waiting until something that only metrics show has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.server import ServerProcess

_PAUSE_S = 0.01


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = [sample for family in self.families.values() for sample in family.samples]

    def total(self, sample_name: str, **labels: str) -> float:
        """Sum of the samples of this name that carry these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == sample_name and labels.items() <= sample.labels.items()
        )

    def labels(self, sample_name: str) -> set[str]:
        """Names of all labels that samples of this name carry."""
        return {label for sample in self._samples if sample.name == sample_name for label in sample.labels}


async def scrape(server: ServerProcess) -> Metrics:
    async with http_client(server.base_url) as http:
        response = await http.get("/metrics")
    assert response.status_code == httpx.codes.OK
    assert response.headers["content-type"].startswith("text/plain")
    return Metrics(response.text)


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = EVENT_S) -> None:
    """Ask again and again until it holds; TimeoutError after the limit."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(_PAUSE_S)


async def until_total(server: ServerProcess, sample_name: str, reached: Callable[[float], bool], **labels: str) -> None:
    """Wait until `reached` holds of a metric's total."""

    async def holds() -> bool:
        return reached((await scrape(server)).total(sample_name, **labels))

    await until(holds)
