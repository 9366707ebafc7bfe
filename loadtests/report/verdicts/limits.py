"""Every limit that a verdict depends on, with its reason. Latency figures have their rule in `report.claims`."""

from __future__ import annotations

from collections.abc import Mapping

SUPPORT_PERCENT: Mapping[str, tuple[float, float]] = {
    "universal": (99.5, 100.0),
    "excellent": (95.0, 100.0),
    "limited": (5.0, 95.0),
}
"""The guide's words for browser support as percent of usage, from and to. Over 99.5 nobody notices who is missing; an
API with 95 is used without a second thought; under 5 there is nothing left to support."""

INSTANT_MS = 100.0
"""Up to here people feel that a thing happened at once (Miller 1968, Nielsen 1993)."""

DISTRACTING_MS = 1000.0
"""Beyond this the flow of thought is broken (the same)."""

EASIER_RATIO = 0.8
"""A server and client are called easier with at most this share of the other's branches: smaller gaps are taste."""

CORE_US = 1e6
"""Microseconds of one core in a second."""
