"""The tree of refusals: every code is stable and distinct where clients must distinguish it."""

from __future__ import annotations

from core import errors
from core.errors import HelloTimeout, RoomError, Unauthorized

CODES = {
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "too_large",
    "rate_limited",
    "slow_consumer",
    "shutting_down",
    "unavailable",
}


def test_every_code_of_the_contract_has_one_error() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RoomError)]
    codes = [kind.code for kind in kinds if kind not in (RoomError, HelloTimeout)]
    assert set(codes) == CODES
    assert len(codes) == len(CODES)
    assert HelloTimeout.code == Unauthorized.code


def test_refusal_carries_what_the_client_gets() -> None:
    refusal = Unauthorized("no", ref="r", retry_after_ms=5)
    assert (str(refusal), refusal.message, refusal.ref, refusal.retry_after_ms) == ("no", "no", "r", 5)
