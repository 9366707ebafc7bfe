"""Forwarded headers count only from proxies that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign

BY_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Forwarded": "proto=https"}


@pytest.fixture(scope="module", params=["forked", "uvicorn"])
def server(servers: ServerPool, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """uvicorn by itself believes whoever is on this machine."""
    if request.param == "forked":
        yield servers.own("sse", tls=False)
    else:
        started = servers.own("sse", launcher="uvicorn", tls=False)
        yield started
        started.stop()


def session(server: ServerProcess, scheme: str, headers: dict[str, str] = BY_TLS) -> httpx.Response:
    """A page of the server's own asks for a session, by this scheme as it says."""
    origin = f"{scheme}://127.0.0.1:{server.port}"
    return httpx.post(
        f"{server.base_url}/session",
        json={"token": sign("alice")},
        headers={"Origin": origin} | headers,
        trust_env=False,
    )


def is_secure(answer: httpx.Response) -> bool:
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return bool(cookie["secure"])


def test_a_scheme_that_anybody_says_is_not_ours(server: ServerProcess) -> None:
    assert session(server, "https").status_code == 403
    plain = session(server, "http")
    assert plain.status_code == 204
    assert not is_secure(plain)


@pytest.mark.parametrize("trusted", ["127.0.0.1", "192.0.2.0/24, 127.0.0.0/8"])
def test_a_scheme_that_a_named_proxy_says_is_ours(servers: ServerPool, trusted: str) -> None:
    server = servers.own("sse", {"TRUSTED_PROXIES": trusted}, tls=False)
    assert session(server, "http").status_code == 403
    secured = session(server, "https")
    assert secured.status_code == 204
    assert is_secure(secured)
    assert session(server, "http", {}).status_code == 204


def test_another_machine_than_the_named_one_is_no_proxy(servers: ServerPool) -> None:
    server = servers.own("sse", {"TRUSTED_PROXIES": "192.0.2.1,unix"}, tls=False)
    assert session(server, "https").status_code == 403
    assert session(server, "http").status_code == 204
