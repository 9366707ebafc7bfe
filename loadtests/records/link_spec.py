"""What a link is asked to be, and how that is written: `rtt=50ms,jitter=5ms,loss=1%,rate=10mbit`, or a profile's name.

Values only. Each direction has half of the round trip and wanders within `rtt / 2 ± jitter / 2`: round trips lie within
`rtt ± jitter`. `loss` is the chance of each packet in each direction, `rate` the bits a second in each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from loadtests.records.errors import ScenarioError
from loadtests.records.numbers import NUMBER, plain

LOOPBACK = "loopback"
"""The text of no link at all: the machine's own loopback, without delay."""

QUEUE_PACKETS = 10_000
"""Packets on their way in one direction; what comes on top is dropped, as by a full router's queue."""

_FORM = "rtt=50ms[,jitter=5ms][,loss=1%][,rate=10mbit]"
_LARGEST = {"rtt": 10_000.0, "jitter": 10_000.0, "loss": 50.0, "rate": 10_000.0}
_SMALLEST = 1e-9  # beside 0, in the units below: so a text that is written can be read again
_PATTERNS = {
    "rtt": re.compile(NUMBER + r"(ms|s)"),
    "jitter": re.compile(NUMBER + r"(ms|s)"),
    "loss": re.compile(NUMBER + r"(%)"),
    "rate": re.compile(NUMBER + r"(kbit|mbit|gbit)"),
}
_FACTORS = {"ms": 1.0, "s": 1e3, "%": 1.0, "kbit": 1e-3, "mbit": 1.0, "gbit": 1e3}
_UNITS = {"rtt": "ms", "jitter": "ms", "loss": "%", "rate": "mbit"}


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link; `str` writes it in the one canonical way, by which cells are compared."""

    rtt_ms: float
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_mbit: float = 0.0  # 0: as fast as the machine

    @property
    def one_way_ms(self) -> float:
        """The delay of one direction."""
        return self.rtt_ms / 2

    def __str__(self) -> str:
        values = {"rtt": self.rtt_ms, "jitter": self.jitter_ms, "loss": self.loss_percent, "rate": self.rate_mbit}
        return ",".join(f"{name}={plain(values[name])}{unit}" for name, unit in _UNITS.items() if values[name])


PROFILES: Mapping[str, Link] = {
    "lan": Link(rtt_ms=0.5, jitter_ms=0.1, rate_mbit=1000),
    "wifi": Link(rtt_ms=5, jitter_ms=4, loss_percent=0.1, rate_mbit=50),
    "4g": Link(rtt_ms=50, jitter_ms=20, loss_percent=0.2, rate_mbit=20),
    "3g": Link(rtt_ms=150, jitter_ms=60, loss_percent=0.5, rate_mbit=1.6),
    "transcontinental": Link(rtt_ms=150, jitter_ms=4, loss_percent=0.05, rate_mbit=100),
    "satellite": Link(rtt_ms=600, jitter_ms=20, loss_percent=0.5, rate_mbit=20),
}
"""Round figures of the kind that such links have; settings of the lab, not measurements of anybody's network."""


def parse(text: str) -> Link | None:
    """Read a link's text or a profile's name; None for `loopback`. ScenarioError says what is wrong and allowed."""
    if text == LOOPBACK:
        return None
    if text in PROFILES:
        return PROFILES[text]
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, written = part.strip().partition("=")
        if name in values:
            raise ScenarioError(f"link {text!r}: {name} is given twice")
        values[name] = _value(text, name, written)
    if not values.get("rtt"):
        raise ScenarioError(f"link {text!r} has no rtt above 0; {_allowed()}")
    if values.get("jitter", 0.0) > values["rtt"]:
        raise ScenarioError(f"link {text!r}: jitter is more than rtt; round trips lie within rtt ± jitter")
    if "rate" in values and not values["rate"]:
        raise ScenarioError(f"link {text!r}: a rate of 0 carries nothing; leave rate out for an unlimited one")
    return Link(
        rtt_ms=values["rtt"],
        jitter_ms=values.get("jitter", 0.0),
        loss_percent=values.get("loss", 0.0),
        rate_mbit=values.get("rate", 0.0),
    )


def canonical(text: str) -> str:
    """Return the one way in which the link of `text` is written; ScenarioError as `parse`."""
    link = parse(text)
    return LOOPBACK if link is None else str(link)


def profile_of(text: str) -> str:
    """Return the profile whose link is written `text`; empty where there is none."""
    return next((name for name, link in PROFILES.items() if str(link) == text), "")


def _value(text: str, name: str, written: str) -> float:
    if name not in _PATTERNS:
        raise ScenarioError(f"link {text!r}: there is no {name or 'empty part'!r}; {_allowed()}")
    found = _PATTERNS[name].fullmatch(written)
    if found is None:
        raise ScenarioError(f"link {text!r}: {name} is {written!r}; {_allowed()}")
    value = float(plain(float(found[1]) * _FACTORS[found[2]]))  # as exactly as it is written
    if value > _LARGEST[name]:
        raise ScenarioError(f"link {text!r}: {name} is {written}; at most {_LARGEST[name]:g}{_UNITS[name]} is allowed")
    if 0 < value < _SMALLEST:
        least = plain(_SMALLEST) + _UNITS[name]
        raise ScenarioError(f"link {text!r}: {name} is {written}; 0 or at least {least} is allowed")
    return value


def _allowed() -> str:
    return f"allowed: {_FORM}, {LOOPBACK}, or a profile: {', '.join(PROFILES)}"
