"""Tokens: what a forger, a careless issuer and a late client get."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from types import MappingProxyType

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.auth import Authenticator, check_secret, sign
from core.errors import Forbidden, Unauthorized
from core.model import RoomId

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_700_000_000.0
LOBBY = RoomId("lobby")


def token(claims: Mapping[str, object] = MappingProxyType({}), secret: bytes = SECRET, algorithm: str = "HS256") -> str:
    """A token for alice and the lobby; `claims` replace hers, and `...` takes one away."""
    whole = {"sub": "alice", "rooms": ["lobby"], "exp": NOW_S + 60, **claims}
    return jwt.encode({name: claim for name, claim in whole.items() if claim is not ...}, secret, algorithm=algorithm)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(SECRET)


def test_signed_token_speaks_for_its_user_and_rooms(authenticator: Authenticator) -> None:
    principal = authenticator.verify(sign(SECRET, "alice@home", ["lobby", "attic"], NOW_S + 60.9), NOW_S)
    assert principal.user_id == "alice@home"
    assert principal.rooms == frozenset({"lobby", "attic"})
    assert principal.expires_at_s == NOW_S + 60


def test_star_opens_every_room(authenticator: Authenticator) -> None:
    assert authenticator.verify(sign(SECRET, "alice", ["*"], NOW_S + 60), NOW_S).rooms is None


def test_token_key_tells_tokens_apart_without_giving_them_away(authenticator: Authenticator) -> None:
    one, other = (sign(SECRET, "alice", ["lobby"], NOW_S + ttl_s) for ttl_s in (60, 61))
    key = authenticator.verify(one, NOW_S).token_key
    assert key == authenticator.verify(one, NOW_S + 1).token_key
    assert key != authenticator.verify(other, NOW_S).token_key
    assert not any(piece in key for piece in one.split("."))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ...},
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "x" * 65},
        {"sub": 7},
        {"sub": None},
        {"sub": ["alice"]},
        {"rooms": ...},
        {"rooms": "lobby"},
        {"rooms": "*"},
        {"rooms": None},
        {"rooms": {"lobby": 1}},
        {"rooms": ["lobby", 1]},
        {"rooms": [["lobby"]]},
        {"exp": ...},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": [9999999999]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"exp": NOW_S},
        {"exp": NOW_S - 1},
        {"exp": 0},
        {"exp": -1},
        {"nbf": NOW_S + 1},
        {"nbf": None},
        {"nbf": "0"},
        {"nbf": True},
        {"nbf": 10**400},
        {"nbf": float("nan")},
    ],
    ids=str,
)
def test_token_with_wrong_claims_is_unauthorized(authenticator: Authenticator, claims: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        authenticator.verify(token(claims), NOW_S)


@pytest.mark.parametrize(
    "claims", [{"nbf": NOW_S}, {"nbf": 0}, {"exp": NOW_S + 0.5}, {"iat": NOW_S + 99}, {"aud": "x"}], ids=str
)
def test_token_with_odd_but_sound_claims_is_good(authenticator: Authenticator, claims: dict[str, object]) -> None:
    assert authenticator.verify(token(claims), NOW_S).user_id == "alice"


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "",
        "x",
        "a.b.c",
        "é.é.é",
        "\ud800",
        token(secret=b"f" * 32),
        token(secret=SECRET * 2, algorithm="HS512"),
        part({"alg": "none", "typ": "JWT"}) + "." + part({"sub": "alice", "rooms": ["*"], "exp": NOW_S + 60}) + ".",
        part({"alg": "HS256"}) + "." + part({"sub": "alice", "rooms": ["*"], "exp": NOW_S + 60}) + ".",
        part(["HS256"]) + "." + part({}) + ".AA",
        token() + "x",
        token()[:-4],
        " " + token(),
    ],
)
def test_forged_token_is_unauthorized(authenticator: Authenticator, forged: str | None) -> None:
    with pytest.raises(Unauthorized):
        authenticator.verify(forged, NOW_S)


def test_signed_payload_that_is_no_object_is_unauthorized(authenticator: Authenticator) -> None:
    for payload in (b"[]", b"null", b'"alice"', b"\xff", b"[" * 100_000):
        with pytest.raises(Unauthorized):
            authenticator.verify(jwt.api_jws.encode(payload, SECRET, algorithm="HS256"), NOW_S)


def test_token_with_its_claims_swapped_is_unauthorized(authenticator: Authenticator) -> None:
    header, _, signature = token().split(".")
    swapped = part({"sub": "root", "rooms": ["*"], "exp": NOW_S + 60})
    with pytest.raises(Unauthorized, match="not valid"):
        authenticator.verify(f"{header}.{swapped}.{signature}", NOW_S)


@given(text=st.text(max_size=60) | st.lists(st.text("abcABC012-_=", max_size=8), min_size=3, max_size=3).map(".".join))
def test_any_text_is_unauthorized(text: str) -> None:
    with pytest.raises(Unauthorized):
        Authenticator(SECRET).verify(text, NOW_S)


def signed_text(header: str, payload: str) -> str:
    """A token of these two segments as they are, under a signature that is good."""
    digest = hmac.digest(SECRET, f"{header}.{payload}".encode(), "sha256")
    return f"{header}.{payload}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


CLAIMS = part({"sub": "alice", "rooms": ["lobby"], "exp": NOW_S + 60})
USUAL = token().partition(".")[0]


@pytest.mark.parametrize(
    ("header", "payload", "good"),
    [
        (USUAL, CLAIMS, True),
        (part({"typ": "JWT", "alg": "HS256"}), CLAIMS, True),
        (part({"alg": "HS256"}), CLAIMS, True),
        (part({"alg": "HS512"}), CLAIMS, False),
        (part({"alg": "none"}), CLAIMS, False),
        (part({"alg": "HS256", "crit": ["x"]}), CLAIMS, False),
        (USUAL, CLAIMS + "!", False),
        (USUAL, CLAIMS[:-1], False),
        (USUAL, "", False),
        (USUAL, "." + CLAIMS, False),
        (USUAL + "!", CLAIMS, False),
    ],
)
def test_only_what_a_jwt_may_look_like_is_taken_though_it_is_signed(
    authenticator: Authenticator, header: str, payload: str, good: bool
) -> None:
    whole = signed_text(header, payload)
    try:
        jwt.api_jws.decode(whole, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        assert not good, "PyJWT says otherwise"
    if good:
        assert authenticator.verify(whole, NOW_S).user_id == "alice"
    else:
        with pytest.raises(Unauthorized):
            authenticator.verify(whole, NOW_S)


@given(
    odd=st.dictionaries(st.text(max_size=6), st.text(max_size=9) | st.integers() | st.none()),
    cut=st.integers(0, 3),
)
def test_a_token_of_the_usual_form_is_taken_where_pyjwt_takes_it(odd: dict[str, object], cut: int) -> None:
    payload = part({**odd, "nbf": 0, "sub": "alice", "rooms": ["lobby"], "exp": NOW_S + 60})
    whole = signed_text(USUAL, payload[: len(payload) - cut])
    try:
        sound = json.loads(jwt.api_jws.decode(whole, SECRET, algorithms=["HS256"]))["sub"] == "alice"
    except (jwt.PyJWTError, ValueError):
        sound = False
    if sound:
        assert Authenticator(SECRET).verify(whole, NOW_S).user_id == "alice"
    else:
        with pytest.raises(Unauthorized):
            Authenticator(SECRET).verify(whole, NOW_S)


def test_room_outside_the_token_is_forbidden_and_expiry_comes_first(authenticator: Authenticator) -> None:
    assert authenticator.admit(token(), LOBBY, NOW_S).user_id == "alice"
    with pytest.raises(Forbidden):
        authenticator.admit(token(), RoomId("attic"), NOW_S)
    with pytest.raises(Unauthorized):
        authenticator.admit(token(), RoomId("attic"), NOW_S + 60)


def test_a_token_that_was_good_is_looked_at_anew_each_time(authenticator: Authenticator) -> None:
    shown = token({"nbf": NOW_S - 10})
    assert authenticator.verify(shown, NOW_S) == authenticator.verify(shown, NOW_S + 59)
    with pytest.raises(Unauthorized, match="expired"):
        authenticator.verify(shown, NOW_S + 60)
    with pytest.raises(Unauthorized, match="not valid yet"):
        authenticator.verify(shown, NOW_S - 11)
    with pytest.raises(Unauthorized, match="not valid"):
        authenticator.verify(shown[:-2] + ("AA" if shown[-2:] != "AA" else "BB"), NOW_S)


def test_short_secret_is_refused_with_its_length() -> None:
    assert check_secret(SECRET) == SECRET
    for use in (check_secret, Authenticator):
        with pytest.raises(ValueError, match="31 bytes: at least 32"):
            use(SECRET[:31])


@pytest.mark.parametrize("user", ["", "a b", "x" * 65])
def test_token_is_not_made_for_what_is_no_user_id(user: str) -> None:
    with pytest.raises(ValueError, match="cannot be a user id"):
        sign(SECRET, user, ["lobby"], NOW_S)
