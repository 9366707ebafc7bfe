"""The bench of the Redis backplane: a real Redis, and real time."""

from __future__ import annotations

import asyncio

from redis import Redis

from core.backplane.redis import RedisBackplane
from core.settings import Settings


class RedisBench:
    """Instances share one database, emptied for each bench, which takes more rights than `url` gives them."""

    def __init__(self, admin_url: str, url: str) -> None:
        self._url = url
        with Redis.from_url(admin_url) as client:
            client.flushall()

    def instance(self, settings: Settings) -> RedisBackplane:
        return RedisBackplane(self._url, settings)

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
