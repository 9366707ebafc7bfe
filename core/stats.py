"""What the hub counts: plain numbers, read by whoever exports them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Totals since the start, labelled by transport, code or outcome; `connections` are those of now."""

    connections: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)  # events handed to a socket or answered in a poll
    resumes: Counter[str] = field(default_factory=Counter)  # "recovered" or a resync reason
    rejected: Counter[str] = field(default_factory=Counter)  # by error code
    slow_consumers: Counter[str] = field(default_factory=Counter)
    backplane_calls: int = 0
    backplane_s: float = 0.0
