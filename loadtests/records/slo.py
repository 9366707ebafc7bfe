"""A service level objective: what a load must stay within to count as carried."""

from __future__ import annotations

import math

import msgspec

from loadtests.records.errors import ScenarioError


class Slo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on one condition; both must be kept, and its cells must not be invalid."""

    p99_ms: float  # delivery latency
    reach_percent: float = 100.0  # of the deliveries promised

    def check(self) -> None:
        """Raise ScenarioError unless the bounds are ones that can be kept."""
        if not (math.isfinite(self.p99_ms) and self.p99_ms > 0):
            raise ScenarioError(f"slo.p99_ms is {self.p99_ms:g}; allowed: above 0")
        if not 0 < self.reach_percent <= 100:
            raise ScenarioError(f"slo.reach_percent is {self.reach_percent:g}; allowed: above 0, at most 100")
