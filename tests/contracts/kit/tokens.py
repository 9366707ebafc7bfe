"""JWTs for the tests, signed with PyJWT so that the server's own signing code is not its own judge."""

from __future__ import annotations

import time
from collections.abc import Sequence

import jwt

SECRET = "contract-suite-key-" + "0123456789" * 5  # 64 bytes and more: long enough for HS512 too
OTHER_SECRET = "a-forger-has-another-key-" + "0123456789" * 4


def claims(user_id: str, rooms: Sequence[str] = ("*",), lifetime_s: float = 600) -> dict[str, object]:
    """The claims of a good token; `exp` is a whole second, so a short lifetime may be up to 1 s shorter."""
    return {"sub": user_id, "rooms": list(rooms), "exp": int(time.time() + lifetime_s)}


def encode(payload: dict[str, object], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """Sign any payload, good or bad, with any key."""
    return jwt.encode(payload, secret, algorithm=algorithm)


def sign(user_id: str, rooms: Sequence[str] = ("*",), lifetime_s: float = 600) -> str:
    """A good token."""
    return encode(claims(user_id, rooms, lifetime_s))


def unsigned(payload: dict[str, object]) -> str:
    """A token with `alg: none`, the classic forgery."""
    return jwt.encode(payload, "", algorithm="none")
