"""Which pages may connect, row by row."""

from __future__ import annotations

import pytest

from core.errors import Forbidden
from core.origins import OriginPolicy

OWN = OriginPolicy(None)
NAMED = OriginPolicy(None, own_host="Lab.Example")
LISTED = OriginPolicy(frozenset({"https://app.example"}))
STRICT = OriginPolicy(None, required=True)


@pytest.mark.parametrize(
    ("policy", "origin", "scheme", "host"),
    [
        (OWN, None, "http", "anything"),
        (OWN, None, "http", None),
        (OWN, "http://localhost:8001", "http", "localhost:8001"),
        (OWN, "http://LOCALHOST:8001", "http", "localhost:8001"),
        (OWN, "http://127.0.0.1", "http", "127.0.0.1"),
        (OWN, "http://127.8.8.8:1", "http", "127.8.8.8:1"),
        (OWN, "http://[::1]:8001", "http", "[::1]:8001"),
        (OWN, "https://localhost", "https", "localhost"),
        (NAMED, "http://lab.example:80", "http", "LAB.example:80"),
        (NAMED, "http://localhost", "http", "localhost"),
        (LISTED, "https://app.example", "http", "internal:9000"),
        (LISTED, None, "http", "internal:9000"),
        (STRICT, "http://localhost", "http", "localhost"),
    ],
)
def test_origin_passes(policy: OriginPolicy, origin: str | None, scheme: str, host: str | None) -> None:
    policy.check(origin, scheme, host)


@pytest.mark.parametrize(
    ("policy", "origin", "scheme", "host"),
    [
        (OWN, "null", "http", "localhost"),
        (OWN, "", "http", "localhost"),
        (OWN, "http://localhost:8002", "http", "localhost:8001"),
        (OWN, "https://localhost", "http", "localhost"),
        (OWN, "http://localhost", "https", "localhost"),
        (OWN, "http://localhost", "http", None),
        (OWN, "http://evil.example", "http", "localhost"),
        # A name that was rebound to this machine sends itself as Host.
        (OWN, "http://evil.example", "http", "evil.example"),
        (OWN, "http://127.0.0.1.evil.example", "http", "127.0.0.1.evil.example"),
        (OWN, "http://10.0.0.1", "http", "10.0.0.1"),
        (OWN, "http://localhost.evil.example", "http", "localhost.evil.example"),
        (OWN, "http://[::1", "http", "[::1"),
        (OWN, "http://", "http", ""),
        (OWN, "http://localhost, http://localhost", "http", "localhost"),
        (NAMED, "http://other.example", "http", "other.example"),
        (LISTED, "https://app.example:443", "https", "app.example"),
        (LISTED, "http://app.example", "http", "app.example"),
        (LISTED, "https://app.example.evil.example", "https", "app.example"),
        (LISTED, "http://localhost:8001", "http", "localhost:8001"),
        (STRICT, None, "http", "localhost"),
        (OriginPolicy(frozenset({"https://app.example"}), required=True), None, "http", "x"),
    ],
)
def test_origin_is_forbidden(policy: OriginPolicy, origin: str | None, scheme: str, host: str | None) -> None:
    with pytest.raises(Forbidden):
        policy.check(origin, scheme, host)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("192.0.2.7:8001", "192.0.2.7"),
        ("[2001:db8::1]:8001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:0DB8:0::1"),
        ("lab.example:8001", "Lab.Example"),
    ],
)
def test_origin_of_the_servers_own_host_passes(host: str, own: str) -> None:
    OWN.check(f"http://{host}", "http", host, [own])
    for other in ("192.0.2.8", "[2001:db8::2]", "evil.example", f"{host}.evil.example", "2001:db8::1"):
        with pytest.raises(Forbidden):
            OWN.check(f"http://{other}", "http", other, [own])
