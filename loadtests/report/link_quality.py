"""The run's emulated links: by which mechanism, and what the probes before each cell found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.records.link_spec import profile_of
from loadtests.records.schema import LinkCheck, Run

MECHANISMS: Mapping[str, str] = {
    "netem": "the kernel's netem between two network namespaces",
    "tun": "the lab's shuttle between two network namespaces: real TCP",
    "relay": "a relay of TCP connections: handshakes and acknowledgements cost nothing",
}


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """One link over all cells that ran on it; medians of the round trip in ms, None where no probe came back."""

    link: str
    profile: str  # empty: none of the named ones
    mechanism: str  # in words
    cells: int
    median_low_ms: float | None
    median_high_ms: float | None
    p99_high_ms: float | None
    probes: int
    lost: int


def link_qualities(run: Run) -> tuple[LinkQuality, ...]:
    """Return the run's links in the order in which they were first measured; none on the loopback alone."""
    found: dict[tuple[str, str], list[LinkCheck]] = {}
    for cell in sorted(run.cells, key=lambda cell: cell.order):
        if cell.link_check is not None:
            found.setdefault((cell.link, cell.link_check.mechanism), []).append(cell.link_check)
    return tuple(_quality(link, mechanism, checks) for (link, mechanism), checks in found.items())


def _quality(link: str, mechanism: str, checks: list[LinkCheck]) -> LinkQuality:
    medians = [check.rtt_ms_p50 for check in checks if check.rtt_ms_p50 is not None]
    tails = [check.rtt_ms_p99 for check in checks if check.rtt_ms_p99 is not None]
    probes = sum(check.probes for check in checks)
    return LinkQuality(
        link=link,
        profile=profile_of(link),
        mechanism=MECHANISMS.get(mechanism, mechanism),
        cells=len(checks),
        median_low_ms=min(medians, default=None),
        median_high_ms=max(medians, default=None),
        p99_high_ms=max(tails, default=None),
        probes=probes,
        lost=probes - sum(check.answered for check in checks),
    )
