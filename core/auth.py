"""Tokens: JWTs signed with HS256. The clock is an argument."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import jwt
import msgspec
from jwt.utils import base64url_decode, base64url_encode

from core.errors import Forbidden, Unauthorized
from core.model import Principal, RoomId, UserId, is_user_id

MIN_SECRET_BYTES: Final = 32
ALL_ROOMS: Final = "*"
_ALGORITHM: Final = "HS256"
_HEADER: Final = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"  # {"alg":"HS256","typ":"JWT"}, as most issuers write it
_REMEMBERED: Final = 4096  # tokens; a few kilobytes each at most, by the limits on heads and first messages


def check_secret(secret: bytes) -> bytes:
    """Raise ValueError when a key is too short to be safe."""
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes: at least {MIN_SECRET_BYTES} are needed")
    return secret


def sign(secret: bytes, user_id: str, rooms: Iterable[str], expires_at_s: float) -> str:
    """Make a token. `rooms` are names, or `["*"]` for all; `expires_at_s` is Unix time. Raises ValueError."""
    if not is_user_id(user_id):
        raise ValueError(f"{user_id!r} cannot be a user id: 1 to 64 of A-Z a-z 0-9 _ . @ -")
    claims = {"sub": user_id, "rooms": list(rooms), "exp": int(expires_at_s)}
    return jwt.encode(claims, check_secret(secret), algorithm=_ALGORITHM)


class Authenticator:
    """Verifies tokens against one key. A token that is good is read once: those who POST and poll show it each time."""

    __slots__ = ("_jws", "_read", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = check_secret(secret)
        self._jws = jwt.PyJWS()  # signatures only: times are compared here, against the caller's clock
        self._read = lru_cache(_REMEMBERED)(self._claims)  # what is refused is not remembered

    def verify(self, token: str | None, now_s: float) -> Principal:
        """The principal a token speaks for. Raises Unauthorized, saying no more than a forger may know."""
        if not token:
            raise Unauthorized("a token is required")
        principal, not_before_s = self._read(token)
        if principal.expires_at_s <= now_s:
            raise Unauthorized("the token has expired")
        if not_before_s > now_s:
            raise Unauthorized("the token is not valid yet")
        return principal

    def _claims(self, token: str) -> tuple[Principal, float]:
        """What a token says, whatever the time: for whom it speaks, and from when. Raises Unauthorized."""
        try:
            claims = msgspec.json.decode(self._payload(token))
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthorized("the token is not valid") from error
        if not isinstance(claims, dict):
            raise Unauthorized("the token is not valid")
        user_id, rooms = claims.get("sub"), claims.get("rooms")
        if not isinstance(user_id, str) or not is_user_id(user_id):
            raise Unauthorized("the token's sub is not a user id")
        if not isinstance(rooms, list) or not all(isinstance(room, str) for room in rooms):
            raise Unauthorized("the token's rooms are not a list of room names")
        expires_at_s = _instant(claims.get("exp"))
        if expires_at_s is None:
            raise Unauthorized("the token has no expiry")
        not_before_s = _instant(claims["nbf"]) if "nbf" in claims else -math.inf
        principal = Principal(
            user_id=UserId(user_id),
            rooms=None if ALL_ROOMS in rooms else frozenset(rooms),
            expires_at_s=expires_at_s,
            token_key=blake2b(token.encode(), digest_size=12).hexdigest(),
        )
        return principal, math.inf if not_before_s is None else not_before_s

    def _payload(self, token: str) -> bytes:
        """What is signed with our key. Raises PyJWTError or ValueError.

        Of a token in the form that we and most others write, one hash decides; all others are for PyJWT to judge, which
        looks at each character: many clients that come back at once show as many tokens as it has users.
        """
        signed, _, signature = token.encode().rpartition(b".")
        header, _, payload = signed.partition(b".")
        if header == _HEADER:
            ours = base64url_encode(hmac.digest(self._secret, signed, "sha256"))
            if hmac.compare_digest(signature, ours):
                decoded = base64url_decode(payload)
                if base64url_encode(decoded) == payload:
                    return decoded
        return self._jws.decode(token, self._secret, algorithms=[_ALGORITHM])  # type: ignore[no-any-return]

    def admit(self, token: str | None, room: RoomId, now_s: float) -> Principal:
        """Verify a token and that it opens `room`. Raises Unauthorized or Forbidden."""
        principal = self.verify(token, now_s)
        if not principal.may_enter(room):
            raise Forbidden("the token does not open this room")
        return principal


def _instant(claim: object) -> float | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    try:
        instant = float(claim)
    except OverflowError:  # an integer beyond any float
        return None
    return instant if math.isfinite(instant) else None
