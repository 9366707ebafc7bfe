"""Every setting of a server, read once from the environment and checked there."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.auth import check_secret


class SettingError(ValueError):
    """A setting is outside what is allowed; the message names it, the value and the limit."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, in the units of their names. `secret` is None when none was given."""

    secret: bytes | None = field(default=None, repr=False)
    origins: frozenset[str] | None = None
    require_origin: bool = False
    own_host: str | None = None
    trusted_proxies: tuple[
        str, ...
    ] = ()  # addresses and networks whose X-Forwarded-* count; "unix": a Unix socket's peer
    redis_url: str | None = field(default=None, repr=False)
    rate_per_s: float = 20.0
    burst: int = 40
    history_events: int = 1000
    history_s: float = 300.0
    heartbeat_s: float = 15.0
    presence_ttl_s: float = 30.0
    hello_s: float = 5.0
    outbox_bytes: int = 1_048_576
    max_bytes: int = 16_384
    drain_s: float = 5.0
    deflate: bool = False
    fanout: str = "direct"
    writes: str = "auto"  # how the direct fan-out gives bytes to sockets
    coalesce_s: float = 0.0  # how long the direct fan-out collects events before it writes them; 0: a turn
    stamps_folder: str | None = None  # where the steps of events are written down at the end; None: not stamped

    @staticmethod
    def from_environ(environ: Mapping[str, str]) -> Settings:
        """Read `RTLAB_*`. Raises SettingError for the first value that is not allowed."""
        read = _Reader(environ)
        return Settings(
            secret=read.secret(),
            origins=read.origins(),
            require_origin=read.flag("RTLAB_REQUIRE_ORIGIN"),
            own_host=environ.get("RTLAB_HOST") or None,
            trusted_proxies=read.proxies(),
            redis_url=environ.get("RTLAB_REDIS_URL") or None,
            rate_per_s=read.number("RTLAB_RATE", 20.0, 0.0, 1e6),
            burst=read.integer("RTLAB_BURST", 40, 1, 1_000_000),
            history_events=read.integer("RTLAB_HISTORY_EVENTS", 1000, 1, 1_000_000),
            history_s=read.number("RTLAB_HISTORY_SECONDS", 300.0, 0.1, 864_000.0),
            heartbeat_s=read.number("RTLAB_HEARTBEAT_SECONDS", 15.0, 0.1, 3600.0),
            presence_ttl_s=read.number("RTLAB_PRESENCE_TTL_SECONDS", 30.0, 0.3, 3600.0),
            hello_s=read.number("RTLAB_HELLO_SECONDS", 5.0, 0.05, 3600.0),
            outbox_bytes=read.integer("RTLAB_OUTBOX_BYTES", 1_048_576, 1024, 1 << 30),
            max_bytes=read.integer("RTLAB_MAX_BYTES", 16_384, 64, 1 << 24),
            drain_s=read.number("RTLAB_DRAIN_SECONDS", 5.0, 0.1, 3600.0),
            deflate=read.flag("RTLAB_DEFLATE"),
            fanout=read.choice("RTLAB_FANOUT", ("direct", "portable")),
            writes=read.choice("RTLAB_WRITES", ("auto", "write", "io_uring")),
            coalesce_s=read.number("RTLAB_COALESCE_MS", 0.0, 0.0, 1000.0) / 1000,
            stamps_folder=environ.get("RTLAB_STAMPS") or None,
        )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def number(self, name: str, default: float, low: float, high: float) -> float:
        text = self._environ.get(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise SettingError(f"{name}={text!r}: a number from {low:g} to {high:g} is allowed")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self._environ.get(name, "")
        if not text:
            return default
        if not text.isdecimal() or not low <= int(text[:12]) <= high:
            raise SettingError(f"{name}={text!r}: a whole number from {low} to {high} is allowed")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self._environ.get(name, "")
        if text not in ("", "0", "1"):
            raise SettingError(f"{name}={text!r}: 0 or 1 is allowed")
        return text == "1"

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self._environ.get(name, "") or allowed[0]
        if text not in allowed:
            raise SettingError(f"{name}={text!r}: {' or '.join(allowed)} is allowed")
        return text

    def secret(self) -> bytes | None:
        text = self._environ.get("RTLAB_SECRET", "")
        if not text:
            return None
        try:
            return check_secret(text.encode())
        except ValueError as error:
            raise SettingError(f"RTLAB_SECRET: {error}") from error

    def proxies(self) -> tuple[str, ...]:
        listed = [item.strip() for item in self._environ.get("RTLAB_TRUSTED_PROXIES", "").split(",") if item.strip()]
        for proxy in listed:
            if proxy != "unix" and not _is_network(proxy):
                raise SettingError(
                    f"RTLAB_TRUSTED_PROXIES holds {proxy!r}: addresses, networks such as 10.0.0.0/8, "
                    "and unix for the peer of a Unix socket are allowed"
                )
        networks = [ipaddress.ip_network(proxy) for proxy in listed if proxy != "unix"]
        # A server that listens on :: sees IPv4 peers by these addresses (RFC 4291, section 2.5.5.2).
        mapped = [f"::ffff:{net.network_address}/{96 + net.prefixlen}" for net in networks if net.version == 4]
        return (*listed, *mapped)

    def origins(self) -> frozenset[str] | None:
        listed = [item.strip() for item in self._environ.get("RTLAB_ORIGINS", "").split(",") if item.strip()]
        for origin in listed:
            if not _is_origin(origin):
                raise SettingError(
                    f"RTLAB_ORIGINS holds {origin!r}: scheme://host[:port] is allowed, as browsers write it: "
                    "lower case, no default port, nothing after it"
                )
        return frozenset(listed) or None


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # brackets that hold no address, a port that is no number
        return False
    # What a browser would never send is refused: it could never match.
    return (
        parts.hostname is not None
        and port != {"http": 80, "https": 443}.get(parts.scheme, port)
        and "@" not in parts.netloc
        and text == f"{parts.scheme}://{parts.netloc}".lower()
    )
