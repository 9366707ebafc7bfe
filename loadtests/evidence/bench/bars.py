"""What the fan-out has set itself to reach, each as a ratio of runs that were neighbours in time, or a plain figure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from loadtests.evidence.bench.bar import AddedBar, Bar, BesideBar, Found, ScaledBar
from loadtests.evidence.bench.runs import Joins
from loadtests.evidence.bench.summary import Row
from loadtests.evidence.bench.systems import PLAIN, TRANSPORTS

YARDSTICK: Final = "websocket/rooms-250x2"
YARDSTICK_US: Final = 51.0  # of a message to plain Starlette on the machine on which the goals were set
_TWO, _TEN = YARDSTICK, "websocket/rooms-100x10"
_MINIMAL: Final = "minimal script"
_NOISE: Final = 0.03  # by which memory differs between runs


def _against(transport: str, window: int, theirs: str, bound: float) -> Bar:
    regime = "each message waits for the last" if window == 1 else "sixteen messages in flight"
    case = f"{transport}/n1000-w{window}-128B"
    return Bar(f"{transport}, {regime}: throughput against {theirs}", case, "dps", bound, theirs)


def _joins(transport: str, tabs: bool) -> Bar:
    whose = "tabs of one user" if tabs else "users, each announced to everybody"
    load = Joins(2000, tabs=tabs)
    return Bar(f"{transport}: joins per second of 2,000 {whose}", f"{transport}/{load.name}", "connects_per_s", 2000.0)


def _rooms_bars() -> Iterator[Bar]:
    """Small rooms by WebSocket, plain Starlette, Socket.IO and ws on node beside them."""
    for case, size, theirs, bound in (
        (_TWO, 2, PLAIN, 0.8),
        (_TWO, 2, "Socket.IO, node", 1.0),
        (_TEN, 10, "ws, node", 1.0),
    ):
        yield Bar(f"rooms of {size}: CPU per message against {theirs}", case, "us_per_msg", bound, theirs, False)
        yield Bar(f"rooms of {size}: throughput against {theirs}", case, "mps", 1 / bound, theirs)
    for case, size in ((_TWO, 2), (_TEN, 10)):
        yield _portable(f"rooms of {size}: CPU per message", case, "us_per_msg", 1.0)


def _portable(words: str, case: str, key: str, bound: float) -> Bar:
    words = f"{words}, portable against plain Starlette"
    return Bar(words, case, key, bound, PLAIN, at_least=False, ours="portable")


def _post_bars() -> Iterator[Bar]:
    for transport in ("sse", "longpoll"):
        for load, size, yardstick, cost_us in (
            ("rooms-250x1", 1, "rooms-250x2", YARDSTICK_US),
            ("rooms-100x10", 10, "rooms-100x10", 194.0),
        ):
            case, words = f"{transport}/{load}", f"POST to {transport}, rooms of {size}"
            yield _scaled(f"{words}: µs of CPU per message", case, "us_per_msg", 150.0, yardstick, cost_us)
            half = (transport, size) == ("longpoll", 10)
            yield _portable(f"{words}: CPU per message", case, "us_per_msg", 0.5 if half else 1.2)


def _redis_bars() -> Iterator[Bar]:
    case, alone, words = "websocket/rooms-1x4-r400-redis", "redis/script", "room of 4 over Redis, two instances"
    for what, where, key, bound in (
        (f"{words}: µs of Redis' CPU per message", case, "redis_us_per_msg", 75.0),
        (f"{words}: µs of the servers' CPU per message", case, "us_per_msg", 300.0),
        ("publish in Redis alone: µs in the script", alone, "script_us", 12.0),
        ("publish in Redis alone: µs of its CPU, 60,000 messages a second", alone, "redis_us_per_msg", 1e6 / 60_000),
    ):
        yield _scaled(what, where, key, bound, "rooms-250x2", YARDSTICK_US)
    yield Bar("publish in Redis alone: the script against a minimal one", alone, "script_us", 1.5, _MINIMAL, False)
    yield Bar(f"{words}: commands per message, those of scripts included", case, "redis_commands", 10.0, at_least=False)
    words = f"{words}: CPU of the servers against python-socketio"
    yield Bar(words, case, "us_per_msg", 1 / 3, "python-socketio", at_least=False)


def _scaled(words: str, case: str, key: str, bound: float, yardstick: str, cost_us: float) -> Bar:
    size = "two" if yardstick.endswith("x2") else "ten"
    words = f"{words}, scaled to {cost_us:g} of plain Starlette in rooms of {size}"
    return ScaledBar(words, case, key, bound, PLAIN, at_least=False, yardstick=yardstick, cost_there=cost_us)


def _portable_fan_out_bars() -> Iterator[Bar]:
    for transport, bound in (("websocket", 1.0), ("sse", 0.6), ("longpoll", 0.5)):
        yield _portable(f"{transport}, 1,000: CPU per delivery", f"{transport}/n1000-w1-128B", "us_per_del", bound)


def _memory_bars() -> Iterator[Bar]:
    for transport, before_kib in (("websocket", 13.7), ("sse", 7.7), ("longpoll", 8.1)):
        yield Bar(
            f"{transport}: KiB per idle connection, not more than before ({before_kib:g}, and {_NOISE:.0%})",
            f"{transport}/memory-5000", "kib_per_conn", before_kib * (1 + _NOISE), at_least=False,
        )  # fmt: skip
    for transport, bound in (("websocket", 20.0), ("sse", 25.0)):
        words = f"{transport}: KiB per idle connection, portable"
        yield Bar(words, f"{transport}/memory-2000", "kib_per_conn", bound, at_least=False, ours="portable")
    for transport in TRANSPORTS:
        for ours in ("direct", "portable"):
            for count in (500, 2000):
                case = f"{transport}/memory-{count}"
                words = f"{transport}: KiB that TLS adds to each of {count:,} idle connections, {ours}"
                yield AddedBar(
                    words, f"{case}-tls", "kib_per_conn", 24.0, at_least=False, ours=ours, without=case
                )  # fmt: skip


BARS: Final = (
    *_rooms_bars(),
    *_post_bars(),
    *_redis_bars(),
    *_portable_fan_out_bars(),
    _against("websocket", 1, "floor", 0.8),
    _against("websocket", 1, "nchan", 1.1),
    _against("websocket", 16, "floor", 5.0),
    _against("websocket", 16, "nchan", 7.0),
    _against("sse", 1, "floor", 0.7),
    _against("sse", 1, "nchan", 1.4),
    _against("sse", 16, "floor", 5.0),
    _against("sse", 16, "nchan", 10.0),
    _against("longpoll", 1, "nchan", 1.0),
    _against("longpoll", 16, "nchan", 3.0),
    Bar("websocket: KiB per idle connection", "websocket/memory-5000", "kib_per_conn", 20.0, at_least=False),
    Bar("sse: KiB per idle connection", "sse/memory-5000", "kib_per_conn", 15.0, at_least=False),
    Bar("longpoll: KiB per idle connection", "longpoll/memory-5000", "kib_per_conn", 10.0, at_least=False),
    *_memory_bars(),
    *(_joins(transport, tabs) for transport in TRANSPORTS for tabs in (False, True)),
)


def half_rate_bars(rows: Sequence[Row]) -> list[Bar]:
    """p99 at half the floor's rate against the floor's own; the rate is what the floor gave."""
    cases = dict.fromkeys(row["case"] for row in rows if "/n1000-r" in row["case"])
    made: list[Bar] = []
    for case in cases:
        transport = case.partition("/")[0]
        if case.endswith(("stalled", "rooms")):
            continue
        made.append(
            Bar(f"{transport}: p99 at half the floor's rate, against the floor", case, "p99us", 1.3, "floor", False)
        )
    return made


def stalled_bars(rows: Sequence[Row]) -> list[Bar]:
    """p99 of the others beside one stalled reader, against the same load without it."""
    made: list[Bar] = []
    for case in dict.fromkeys(row["case"] for row in rows if row["case"].endswith("stalled")):
        words = f"{case.partition('/')[0]}: the others' p99 beside one stalled reader, against without"
        made.append(BesideBar(words, case, "p99us", 1.1, at_least=False, without=case.rpartition("-")[0]))
    return made


def markdown(rows: Sequence[Row]) -> str:
    """How many bars are kept, and a table: bound, what was found, whether it is kept, and if not, why; what the floor
    reaches, where it is a bound.

    A case that ours did not run has no line.
    """
    judged = [(bar, bar.found(rows)) for bar in (*BARS, *half_rate_bars(rows), *stalled_bars(rows))]
    measured = [(bar, found) for bar, found in judged if found is not None]
    lines = [_line(rows, bar, found) for bar, found in judged if found is not None or _ran(rows, bar)]
    if not lines:
        return ""
    kept = sum(bar.kept(found[0]) for bar, found in measured)
    said = f"{kept} of {len(measured)} bars are kept, judged by the median."
    head = ["| what | bound | found, median (range) | kept | the floor itself |", "|---|---|---|---|---|"]
    return "\n".join([said, "", *head, *lines])


def _ran(rows: Sequence[Row], bar: Bar) -> bool:
    return any((row["case"], row["system"]) == (bar.case, bar.ours) for row in rows)


def _line(rows: Sequence[Row], bar: Bar, found: Found | None) -> str:
    asked = f"| {bar.words} | {'at least' if bar.at_least else 'at most'} {bar.bound:,.4g} |"
    if found is None:
        return f"{asked} not measured | | |"
    digits = 0 if bar.bound >= 100 else 2
    floor = bar.floor(rows)
    reach = "" if floor is None else _values(floor, digits)
    return f"{asked} {_values(found, digits)} | {_kept(bar, found)} | {reach} |"


def _values(found: Found, digits: int) -> str:
    middle, least, most = found
    return f"{middle:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


def _kept(bar: Bar, found: Found) -> str:
    middle, least, most = found
    if bar.kept(middle):
        return "yes"
    why = [sentence for pattern, sentence in reasons().items() if re.search(pattern, bar.words)]
    if bar.kept(least) or bar.kept(most):
        why.append("some of its runs keep it")
    return f"**no**: {'; '.join(why)}" if why else "**no**"


@cache
def reasons() -> Mapping[str, str]:
    """Why a bar may be missed, by a regular expression that is found in its words."""
    kept = tomllib.loads(Path(__file__).with_name("why.toml").read_text(encoding="utf-8"))
    return {each["bar"]: each["why"] for each in kept["missed"]}
