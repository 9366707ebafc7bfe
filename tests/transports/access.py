"""Tokens that the apps under test take."""

from __future__ import annotations

import time

from core.auth import sign

SECRET = b"0123456789abcdef0123456789abcdef"


def token(user: str = "alice", room: str = "lobby", ttl_s: float = 3600.0) -> str:
    return sign(SECRET, user, [room], time.time() + ttl_s)


def bearer(user: str = "alice", room: str = "lobby") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user, room)}"}
