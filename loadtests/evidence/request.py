"""What a person asks of a run, as the command line understood it. Values only: importing this costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """How a scenario is to be measured; None leaves the choice to the lab."""

    runs_folder: Path
    transports: str | None = None  # comma-separated names
    seed: int | None = None
    deflate: bool = False
    redis_url: str | None = None  # with it the busiest load is also measured on servers of several instances
    instances: int | None = None
    link: str | None = None  # puts the scenario's cells behind this link, see `records.link_spec`
    fail_if: tuple[str, ...] = ()  # thresholds, see `report.thresholds`
    target_urls: tuple[str, ...] = ()  # of a server that is not ours; more than one is refused
    adapters: tuple[str, ...] = ()  # names or files: how to speak to it
