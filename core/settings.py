"""Every setting of a server, declared once: variable, what is allowed, default, and what is said of it.

The options of `rtlab serve` and the table of docs/protocol.md are made of the declarations.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from core.auth import MIN_SECRET_BYTES, check_secret
from core.origins import is_origin

Number = TypeVar("Number", int, float)


class SettingError(ValueError):
    """A setting is outside what is allowed; the message names it, the value and the limit."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a variable may hold: `allowed` as refusals and documentation say it.

    `parse` takes a text that is not empty. It raises ValueError for what is not allowed, a SettingError where there is
    more to say than `allowed`.
    """

    allowed: str
    parse: Callable[[str], Any]


def _number(low: float, high: float, divisor: float = 1.0) -> _Kind:
    return _Kind(f"a number from {low:g} to {high:g}", lambda text: _bounded(float(text), low, high) / divisor)


def _whole(low: int, high: int) -> _Kind:
    def parse(text: str) -> float:
        if not text.isdecimal():
            raise ValueError(text)
        return _bounded(int(text[:12]), low, high)

    return _Kind(f"a whole number from {low} to {high}", parse)


def _bounded(value: Number, low: float, high: float) -> Number:
    if not low <= value <= high:  # also what is not a number
        raise ValueError(value)
    return value


def _choice(*choices: str) -> _Kind:
    return _Kind(" or ".join(choices), lambda text: choices[choices.index(text)])


def _secret(text: str) -> bytes:
    try:
        return check_secret(text.encode())
    except ValueError as error:
        raise SettingError(f"RTLAB_SECRET: {error}") from error


def _origins(text: str) -> frozenset[str] | None:
    listed = _listed(text)
    for origin in listed:
        if not is_origin(origin):
            raise SettingError(
                f"RTLAB_ORIGINS holds {origin!r}: scheme://host[:port] is allowed, as browsers write it: "
                "lower case, no default port, nothing after it"
            )
    return frozenset(listed) or None


def _proxies(text: str) -> tuple[str, ...]:
    listed = _listed(text)
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


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


_FLAG: Final = _Kind("0 or 1", lambda text: bool(("0", "1").index(text)))


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is declared. `option` is that of `rtlab serve`; empty where a flag of its own, or nothing, sets
    it. `default` is what help and documentation say; empty: the field's.
    """

    variable: str
    kind: _Kind
    help: str
    option: str = ""
    default: str = ""
    name: str = ""  # of the field

    def parse(self, text: str) -> Any:
        """The value of a text that is not empty. Raises SettingError."""
        try:
            return self.kind.parse(text)
        except SettingError:
            raise
        except ValueError:
            raise SettingError(f"{self.variable}={text!r}: {self.kind.allowed} is allowed") from None


def _of(variable: str, kind: _Kind, help: str, *, option: str | None = None, default: str = "") -> dict[str, Setting]:
    named = "--" + variable.removeprefix("RTLAB_").lower().replace("_", "-")
    return {"setting": Setting(variable, kind, help, named if option is None else option, default)}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, in the units of their names. `secret` is None when none was given."""

    secret: bytes | None = field(
        default=None,
        repr=False,
        metadata=_of(
            "RTLAB_SECRET",
            _Kind(f"at least {MIN_SECRET_BYTES} bytes", _secret),
            "the key of the tokens (JWT, HS256)",
            option="",
            default="random at each start, and said so",
        ),
    )
    origins: frozenset[str] | None = field(
        default=None,
        metadata=_of(
            "RTLAB_ORIGINS",
            _Kind("scheme://host[:port], comma-separated", _origins),
            "allowed web origins",
            default="the server's own",
        ),
    )
    require_origin: bool = field(
        default=False, metadata=_of("RTLAB_REQUIRE_ORIGIN", _FLAG, "1: refuse requests without an Origin header")
    )
    own_host: str | None = field(
        default=None,
        metadata=_of(
            "RTLAB_HOST",
            _Kind("a host name or address", str),
            "beside loopback, the host whose pages count as the server's own; rtlab serve sets it to --host",
            option="",
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=_of(
            "RTLAB_TRUSTED_PROXIES",
            _Kind("addresses, networks, unix, comma-separated", _proxies),
            "whose X-Forwarded-Proto and X-Forwarded-For count; unix: the peer of a Unix socket",
        ),
    )
    redis_url: str | None = field(
        default=None,
        repr=False,
        metadata=_of(
            "RTLAB_REDIS_URL",
            _Kind("redis://… or rediss://…", str),
            "instances share their rooms there",
            option="--redis",
            default="none: rooms in this process",
        ),
    )
    rate_per_s: float = field(
        default=20.0, metadata=_of("RTLAB_RATE", _number(0.0, 1e6), "messages a second per user; 0: no limit")
    )
    burst: int = field(default=40, metadata=_of("RTLAB_BURST", _whole(1, 1_000_000), "size of a user's token bucket"))
    history_events: int = field(
        default=1000, metadata=_of("RTLAB_HISTORY_EVENTS", _whole(1, 1_000_000), "events a room keeps")
    )
    history_s: float = field(
        default=300.0, metadata=_of("RTLAB_HISTORY_SECONDS", _number(0.1, 864_000.0), "how long it keeps them")
    )
    heartbeat_s: float = field(
        default=15.0, metadata=_of("RTLAB_HEARTBEAT_SECONDS", _number(0.1, 3600.0), "interval of pings and heartbeats")
    )
    presence_ttl_s: float = field(
        default=30.0,
        metadata=_of(
            "RTLAB_PRESENCE_TTL_SECONDS", _number(0.3, 3600.0), "a lease that is not renewed so long is a user_left"
        ),
    )
    hello_s: float = field(
        default=5.0,
        metadata=_of("RTLAB_HELLO_SECONDS", _number(0.05, 3600.0), "deadline of a WebSocket's first message"),
    )
    outbox_bytes: int = field(
        default=1_048_576, metadata=_of("RTLAB_OUTBOX_BYTES", _whole(1024, 1 << 30), "what may wait for one subscriber")
    )
    max_bytes: int = field(
        default=16_384, metadata=_of("RTLAB_MAX_BYTES", _whole(64, 1 << 24), "largest frame or body")
    )
    drain_s: float = field(default=5.0, metadata=_of("RTLAB_DRAIN_SECONDS", _number(0.1, 3600.0), "SIGTERM to exit"))
    deflate: bool = field(
        default=False,
        metadata=_of(
            "RTLAB_DEFLATE",
            _FLAG,
            "1: permessage-deflate where a client offers it; such connections use the portable sink",
            option="",
        ),
    )
    fanout: str = field(
        default="direct",
        metadata=_of(
            "RTLAB_FANOUT",
            _choice("direct", "portable"),
            "direct: write frames straight to uvicorn's sockets; portable: plain ASGI. The wire is the same",
        ),
    )
    writes: str = field(
        default="auto",
        metadata=_of(
            "RTLAB_WRITES",
            _choice("auto", "write", "io_uring"),
            "how the direct fan-out writes to sockets: a call for each, or one for all (Linux 5.17 and later, where "
            "it is allowed); auto: io_uring for 64 sockets and more, where there is one",
        ),
    )
    coalesce_s: float = field(
        default=0.0,
        metadata=_of(
            "RTLAB_COALESCE_MS",
            _number(0.0, 1000.0, divisor=1000.0),
            "how long the direct fan-out collects a room's events before it writes them, on every transport alike; "
            "0: until a turn of the event loop brings no more",
        ),
    )
    stamps_folder: str | None = field(
        default=None,
        metadata=_of(
            "RTLAB_STAMPS",
            _Kind("a folder", str),
            "at the end each process writes there when every event took which step; nothing of it is on the wire",
            default="none: off",
        ),
    )
    demo: bool = field(
        default=False,
        metadata=_of(
            "RTLAB_DEMO",
            _FLAG,
            "1: the race page's helpers exist (below); needs RTLAB_SECRET and a loopback address",
            option="",
        ),
    )

    @staticmethod
    def from_environ(environ: Mapping[str, str]) -> Settings:
        """Read `RTLAB_*`; empty is as absent. Raises SettingError for the first value that is not allowed."""
        given = ((setting, environ.get(setting.variable)) for setting in DECLARED)
        return Settings(**{setting.name: setting.parse(text) for setting, text in given if text})


def _plain(default: object) -> object:
    return int(default) if isinstance(default, bool) else default or "none"


def _declared() -> Iterator[Setting]:
    for each in fields(Settings):
        setting: Setting = each.metadata["setting"]
        shown = f"{each.default:g}" if isinstance(each.default, float) else str(_plain(each.default))
        yield replace(setting, name=each.name, default=setting.default or shown)


DECLARED: Final = tuple(_declared())
"""Every setting, in the order of documentation."""


def table() -> Iterator[str]:
    """Yield the lines of the table in docs/protocol.md."""
    yield "| variable | option | default | allowed | |"
    yield "|---|---|---|---|---|"
    for each in DECLARED:
        option = f"`{each.option}`" if each.option else ""
        yield f"| `{each.variable}` | {option} | {each.default} | {each.kind.allowed} | {each.help} |"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
