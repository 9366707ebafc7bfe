"""Tokens in header and cookie, origins, and the limits of the body."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.requests import Request

from core.auth import sign
from core.backplane.memory import MemoryBackplane
from core.errors import Forbidden, ShuttingDown, Unauthorized
from core.hub import Hub
from core.settings import Settings
from tests.transports.access import SECRET, bearer, token
from tests.transports.conftest import Open
from transports.guard import RequestGuard
from transports.uvicorn_edges.bounds import CONNECTION, KEPT

ROOM = "/rooms/lobby"


@pytest.mark.parametrize(("base_url", "secure"), [("http://localhost:8000", False), ("https://localhost:8443", True)])
async def test_session_cookie_is_for_this_site_and_no_script(open_app: Open, base_url: str, secure: bool) -> None:
    async with open_app(base_url=base_url) as client:
        given = sign(SECRET, "alice", ["lobby"], time.time() + 600.0)
        answer = await client.post("/session", json={"token": given})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["cache-control"] == "no-store"
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert cookie.value == given
        assert cookie["httponly"]
        assert cookie["samesite"].lower() == "strict"
        assert cookie["path"] == "/"
        assert not cookie["domain"]
        assert bool(cookie["secure"]) is secure
        assert 590 <= int(cookie["max-age"]) <= 600
        assert (await client.get(ROOM)).status_code == 200


async def test_session_cookie_of_a_page_that_came_by_https_is_secure(open_app: Open) -> None:
    """The TLS ends at a proxy, whose word does not count: the page's origin, which is on the list, does."""
    settings = Settings(secret=SECRET, origins=frozenset({"https://lab.example", "http://lab.example"}))
    async with open_app(settings=settings) as client:
        for origin, secure in (("https://lab.example", True), ("http://lab.example", False)):
            answer = await client.post("/session", json={"token": token()}, headers={"Origin": origin})
            (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
            assert bool(cookie["secure"]) is secure


@pytest.mark.parametrize(
    ("base_url", "status"),
    [("http://192.0.2.7:8000", 200), ("http://[2001:db8::7]:8000", 200), ("http://evil.example:8000", 403)],
)
async def test_the_address_that_took_the_connection_is_an_origin_of_its_own(
    open_app: Open, base_url: str, status: int
) -> None:
    async with open_app(base_url=base_url) as client:
        assert (await client.get(ROOM, headers=bearer() | {"Origin": base_url})).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"", 400),
        (b"token=x", 400),
        (b'{"token":1}', 400),
        (b'{"token":"a","token":"a"}', 400),
        (b'{"token":""}', 401),
        (b'{"token":"a.b.c"}', 401),
        (b" " * 16_385, 413),
    ],
)
async def test_session_refuses_what_is_no_token(open_app: Open, body: bytes, status: int) -> None:
    async with open_app() as client:
        answer = await client.post("/session", content=body)
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {} "])
async def test_bearer_is_read_whatever_its_case(open_app: Open, form: str) -> None:
    async with open_app() as client:
        assert (await client.get(ROOM, headers={"Authorization": form.format(token())})).status_code == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "{}", "Bearer\t{}", "Token {}", "Bearer {} {}"]
)
async def test_other_authorization_is_unauthorized_even_beside_a_good_cookie(open_app: Open, value: str) -> None:
    async with open_app() as client:
        await client.post("/session", json={"token": token()})
        answer = await client.get(ROOM, headers={"Authorization": value.replace("{}", token())})
        assert answer.status_code == 401
        assert token() not in answer.text


async def test_bearer_goes_before_the_cookie(open_app: Open) -> None:
    async with open_app() as client:
        await client.post("/session", json={"token": token("alice")})
        await client.post(f"{ROOM}/messages", json={"content": "hi"}, headers=bearer("bob"))
        start = (await client.get(ROOM)).json()["position"].partition(":")[0] + ":0"
        events = (await client.get(f"{ROOM}/poll", params={"since": start, "wait": 0})).json()["events"]
        assert [event["userId"] for event in events if event["type"] == "chat"] == ["bob"]


@pytest.mark.parametrize(
    ("origins", "status"),
    [
        ([], 200),
        (["http://localhost:8000"], 200),
        (["http://localhost:8001"], 403),
        (["http://evil.example"], 403),
        (["null"], 403),
        (["http://localhost:8000", "http://localhost:8000"], 403),
    ],
)
async def test_origin_must_be_the_servers_own(open_app: Open, origins: list[str], status: int) -> None:
    headers = [("Origin", origin) for origin in origins] + list(bearer().items())
    async with open_app() as client:
        assert (await client.get(ROOM, headers=headers)).status_code == status
        posted = await client.post(
            "/session", json={"token": token()}, headers=[("Origin", origin) for origin in origins]
        )
        assert posted.status_code == (204 if status == 200 else 403)


async def test_listed_origin_may_read_the_answer_and_others_may_not(open_app: Open) -> None:
    settings = Settings(secret=SECRET, origins=frozenset({"https://app.example"}))
    async with open_app(settings=settings) as client:
        answer = await client.get(ROOM, headers={**bearer(), "Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        foreign = await client.get(ROOM, headers={**bearer(), "Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(("size", "status"), [(16_384, 202), (16_385, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_of_exactly_the_limit_passes(open_app: Open, size: int, status: int, chunked: bool) -> None:
    body = b'{"content":"hi"}'.ljust(size)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 1000):
            yield body[start : start + 1000]

    async with open_app() as client:
        answer = await client.post(f"{ROOM}/messages", content=chunks() if chunked else body, headers=bearer())
        assert answer.status_code == status


@pytest.mark.parametrize("since", ["x", "abcdefgh:", "", "abcdefgh:1 "])
async def test_malformed_since_is_a_bad_request(open_app: Open, since: str) -> None:
    async with open_app() as client:
        answer = await client.get(f"{ROOM}/poll", params={"since": since, "wait": 0}, headers=bearer())
        assert answer.status_code == 400
        twice = await client.get(f"{ROOM}/poll?since=abcdefgh:1&since=abcdefgh:1", headers=bearer())
        assert twice.status_code == 400


@pytest.mark.parametrize(
    ("wait", "status"), [("0", 200), ("0.0", 200), ("55", 200), ("55.0", 200), ("55.1", 400), ("-1", 400), ("1e1", 400)]
)
async def test_wait_is_taken_up_to_both_bounds(open_app: Open, wait: str, status: int) -> None:
    async with open_app() as client:
        answer = await client.get(f"{ROOM}/poll", params={"wait": wait}, headers=bearer())
        assert answer.status_code == status


@pytest.mark.parametrize("wait", ["", "nan", "inf", ".", "1.2.3", "٣", " 1", "0x1", "1&wait=1"])
async def test_wait_that_is_no_number_is_a_bad_request(open_app: Open, wait: str) -> None:
    async with open_app() as client:
        answer = await client.get(f"{ROOM}/poll?wait={wait}", headers=bearer())
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


class Guarded:
    """Requests of one connection that are alike, before one guard."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.hub = Hub(MemoryBackplane(Settings()), Settings(), secret=SECRET, wall_clock=lambda: self.now_s)
        self.hub.entered = True
        self.guard = RequestGuard(self.hub)
        self.kept: dict[Any, Any] = {}

    def enter(self, given: str, room: str = "lobby") -> tuple[str, str]:
        headers = [(b"host", b"x"), (b"authorization", f"Bearer {given}".encode())]
        scope = {"type": "http", "headers": headers, "path_params": {"room": room}, "scheme": "http"}
        scope["extensions"] = {CONNECTION: {"protocol": None, KEPT: self.kept}}
        principal, entered = self.guard.enter(Request(scope))
        return principal.user_id, entered


def test_who_asks_again_is_looked_at_again_where_it_matters() -> None:
    guarded = Guarded()
    alice, bob = (sign(SECRET, user, [room], 2000.0) for user, room in (("alice", "lobby"), ("bob", "attic")))
    assert [guarded.enter(alice) for _ in range(2)] == 2 * [("alice", "lobby")]
    assert guarded.kept
    with pytest.raises(Forbidden):  # a proxy of ours may have put another token there
        guarded.enter(bob)
    assert guarded.enter(bob, "attic") == ("bob", "attic")
    with pytest.raises(Forbidden):
        guarded.enter(bob)
    assert guarded.enter(alice) == ("alice", "lobby")
    guarded.now_s = 2000.0
    with pytest.raises(Unauthorized):
        guarded.enter(alice)
    guarded.now_s = 1999.0
    guarded.hub.draining = True
    with pytest.raises(ShuttingDown):
        guarded.enter(alice)
