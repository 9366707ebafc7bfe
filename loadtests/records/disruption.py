"""Planned cuts of subscribers' connections: what a scenario asks for, and what a cell found. Values only.

A cut is the client's cable: from one instant on nothing arrives there or leaves, and no packet says so. `offline_s`
later the client connects anew. Cuts are spread evenly over time from the first publication on, as on any day.
"""

from __future__ import annotations

import math

import msgspec

from loadtests.records.errors import ScenarioError

MOST_S = 3600.0
LEAST_S = 0.05


class Disruption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a subscriber is connected, on average, and then off."""

    up_s: float
    offline_s: float
    spread_s: float = 0.0  # up times lie evenly within up_s ± spread_s

    @property
    def share(self) -> float:
        """Of its time that a subscriber is off: of its messages that it loses, if it does not resume."""
        return self.offline_s / (self.up_s + self.offline_s)

    def check(self) -> None:
        """Raise ScenarioError unless every value is one that can be run."""
        for field in ("up_s", "offline_s"):
            value = getattr(self, field)
            if not (math.isfinite(value) and LEAST_S <= value <= MOST_S):
                raise ScenarioError(f"disrupt.{field} is {value:g}; allowed: {LEAST_S:g}..{MOST_S:g} seconds")
        if not 0 <= self.spread_s < self.up_s:
            raise ScenarioError(
                f"disrupt.spread_s is {self.spread_s:g}; allowed: 0 or more, below up_s ({self.up_s:g})"
            )


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """What planned cuts did to the deliveries of the measured phase.

    Latency is from the schedule to the receive stamp, of all deliveries; `replay_ms` of those that were due while their
    subscriber was away and came when it was back. None: too few to state it.
    """

    disrupt: Disruption
    resume: bool
    cuts: int  # that touch the measured phase
    away: int  # of them: not back when the cell ended
    due: int  # deliveries owed
    lost: int  # of them: published while their subscriber was away, and not to be had without a resume
    replayed: int
    replay_bytes: int  # that those took on the wire
    latency_ms: dict[str, float] = {}  # "p50", "p95", "p99"
    replay_ms: dict[str, float] = {}
    back_ms: dict[str, float] = {}  # from when the cable is in again until the client is welcome
