"""What is asked: a load, who receives it, and what lies between. Read from a few words; a bad one is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from loadtests.records.errors import UsageError
from loadtests.records.link_spec import Link, canonical, parse
from loadtests.records.numbers import NUMBER, plain
from loadtests.report.quantity import count

DOWN, BOTH = "down", "both"
DIRECTIONS = (DOWN, BOTH)
"""Who publishes: the servers' side, or the subscribers too."""

BROWSER, MOBILE, APP = "browser", "mobile", "app"
CLIENTS = (BROWSER, MOBILE, APP)
"""Who receives. An app may speak anything; `mobile` is a browser, or an app's web view, on a phone."""

NO_PROXY = "none"
_PER_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "kB": 1000, "KiB": 1024}
_MS = {"ms": 1.0, "s": 1000.0}
Reader = Callable[[str], object]


class Case(msgspec.Struct, frozen=True):
    """One case. `rate_per_s` is of each room, `link` as `records.link_spec` writes it."""

    rate_per_s: float = 1.0
    payload_bytes: int = 128
    subscribers: int = 1000
    rooms: int = 20
    direction: str = DOWN
    link: str = "rtt=50ms"
    clients: tuple[str, ...] = (BROWSER,)
    proxy: str = NO_PROXY
    tls: bool = False
    within_ms: float | None = None  # p99 that is soon enough; None: what nobody sees to be later than the fastest

    @property
    def members(self) -> float:
        """Subscribers of a room."""
        return self.subscribers / self.rooms

    @property
    def line(self) -> Link | None:
        """The link; None for the loopback."""
        return parse(self.link)

    @property
    def one_way_ms(self) -> float:
        """The link's delay of one direction."""
        return self.line.one_way_ms if self.line else 0.0

    @property
    def loss_percent(self) -> float:
        """The link's loss of packets in each direction."""
        return self.line.loss_percent if self.line else 0.0

    @property
    def deliveries_per_s(self) -> float:
        """Of all rooms together."""
        return self.subscribers * self.rate_per_s

    @property
    def words(self) -> str:
        """The case as a command line would write it, defaults included; read again, it is the same case."""
        within = "" if self.within_ms is None else f" --within {_written(self.within_ms, _MS, _within)}"
        rate = _written(self.rate_per_s, {f"/{unit}": 1 / each for unit, each in _PER_S.items()}, _rate)
        return (
            f"--rate {rate} --payload {self.payload_bytes}B --subscribers {self.subscribers} "
            f"--rooms {self.rooms} --direction {self.direction} --link {self.link} "
            f"--clients {','.join(self.clients)} --proxy {self.proxy}{' --tls' if self.tls else ''}{within}"
        )


def of_words(given: Mapping[str, str | bool]) -> Case:
    """Read a case from texts by option; what is not given takes its default. Raises UsageError."""
    found: dict[str, object] = {}
    for option, text in given.items():
        if option == "tls":
            found["tls"] = bool(text)
        else:
            field, read = _READERS[option]
            found[field] = read(str(text))
    case = msgspec.convert(found, Case)
    if case.rooms > case.subscribers:
        rooms = count(case.rooms, "room")
        raise UsageError(f"--rooms: {rooms} for {count(case.subscribers, 'subscriber')}; allowed: no more than those")
    return case


def _rate(text: str) -> float:
    found = re.fullmatch(NUMBER + "/(s|min|h)", text)
    value = float(found[1]) / _PER_S[found[2]] if found else 0.0
    if not 0 < value <= 10_000:
        raise UsageError(f"--rate is {text!r}; allowed: messages of each room as 5/s, 30/min or 100/h, up to 10000/s")
    return value


def _written(value: float, units: Mapping[str, float], read: Callable[[str], float]) -> str:
    """Return a figure in the first unit in which it is read as the same figure, without exponent; else in the last."""
    text = ""
    for unit, factor in units.items():
        text = plain(value / factor, 15) + unit
        try:
            if read(text) == value:
                break
        except UsageError:
            continue
    return text


def _payload(text: str) -> int:
    found = re.fullmatch(NUMBER + "(B|kB|KiB)", text)
    value = float(found[1]) * _BYTES[found[2]] if found else 0.0
    if not 0.5 < value <= 1_000_000:
        raise UsageError(f"--payload is {text!r}; allowed: 300B, 1kB or 4KiB, from 1B to 1000kB")
    return round(value)


def _whole(option: str, most: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= most:
            raise UsageError(f"--{option} is {text!r}; allowed: a whole number from 1 to {most}")
        return int(text)

    return read


def _one_of(option: str, allowed: tuple[str, ...]) -> Reader:
    def read(text: str) -> str:
        if text not in allowed:
            raise UsageError(f"--{option} is {text!r}; allowed: {', '.join(allowed)}")
        return text

    return read


def _clients(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(CLIENTS):
        raise UsageError(f"--clients is {text!r}; allowed: {', '.join(CLIENTS)}, or several with commas")
    return names


def _within(text: str) -> float:
    found = re.fullmatch(NUMBER + "(ms|s)", text)
    value = float(found[1]) * _MS[found[2]] if found else 0.0
    if not 0 < value <= 3_600_000:
        raise UsageError(f"--within is {text!r}; allowed: a time as 200ms or 1s, up to 3600s")
    return value


def _proxy(text: str) -> str:
    if not re.fullmatch("[a-z0-9-]{1,40}", text) or text in CLIENTS:
        raise UsageError(f"--proxy is {text!r}; allowed: {NO_PROXY}, or a name as nginx, haproxy, caddy")
    return text


_READERS: Mapping[str, tuple[str, Reader]] = {
    "rate": ("rate_per_s", _rate),
    "payload": ("payload_bytes", _payload),
    "subscribers": ("subscribers", _whole("subscribers", 100_000_000)),
    "rooms": ("rooms", _whole("rooms", 100_000_000)),
    "direction": ("direction", _one_of("direction", DIRECTIONS)),
    "link": ("link", canonical),
    "clients": ("clients", _clients),
    "proxy": ("proxy", _proxy),
    "within": ("within_ms", _within),
}
OPTIONS = (*_READERS, "tls")
