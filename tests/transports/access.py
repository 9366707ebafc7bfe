"""Tokens that the apps under test take."""

from __future__ import annotations

import time
from functools import cache

from core.auth import sign

SECRET = b"0123456789abcdef0123456789abcdef"
VALID_S = 3600.0


@cache
def token(user: str = "alice", room: str = "lobby") -> str:
    """The same whenever it is asked for: a request is known by its bytes, and one signed a second later has others."""
    return sign(SECRET, user, [room], time.time() + VALID_S)


def bearer(user: str = "alice", room: str = "lobby") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user, room)}"}
