"""Token buckets, one per user. `now_s` is any clock that does not run backwards."""

from __future__ import annotations


class RateLimiter:
    """A bucket of `burst` tokens per key, refilled at `rate_per_s`. A rate of 0 limits nothing."""

    __slots__ = ("_buckets", "_burst", "_rate_per_s")

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}  # key -> (tokens, as of when)

    def take(self, key: str, now_s: float) -> float:
        """Take a token. Returns 0.0 when there was one, else the seconds until there is."""
        if self._rate_per_s == 0:
            return 0.0
        tokens, at_s = self._buckets.get(key, (float(self._burst), now_s))
        tokens = min(float(self._burst), tokens + (now_s - at_s) * self._rate_per_s)
        if tokens >= 1.0:
            self._buckets[key] = (tokens - 1.0, now_s)
            return 0.0
        self._buckets[key] = (tokens, now_s)
        return (1.0 - tokens) / self._rate_per_s

    def forget_full(self, now_s: float) -> None:
        """Drop the buckets that are full again: they say no more than no bucket."""
        if self._rate_per_s == 0:
            return
        full_after_s = self._burst / self._rate_per_s
        self._buckets = {
            key: (tokens, at_s)
            for key, (tokens, at_s) in self._buckets.items()
            if tokens + (now_s - at_s) * self._rate_per_s < self._burst and now_s - at_s < full_after_s
        }

    def __len__(self) -> int:
        return len(self._buckets)
