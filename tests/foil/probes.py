"""The probes: each puts a server into a situation and says whether it shows the fault, with what was counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.targets import unique
from tests.foil.systems import System, Tab

_QUIET_S = 0.5  # a second copy follows the first within milliseconds
_ROOMS = 20
_MARKUP = "<img src=x onerror=alert(1)>"
_LARGE = "x" * 4096
_BATCH, _BATCHES = 50, 32  # 6.5 MB in all: more than the kernel's buffers take for who does not read
_STILL_S = 5.0
_BURST = 100
_FOREIGN = "http://evil.example"


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the fault is there, and one phrase with its figure."""

    faulty: bool
    words: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. `settings` are ours (`RTLAB_*` without the prefix); `redis`: both systems get one."""

    ask: Callable[[System], Awaitable[Finding]]
    settings: Mapping[str, str] = field(default_factory=dict)
    redis: bool = False


async def delivered_twice(system: System) -> Finding:
    room = unique("room")
    reader, writer = await system.join(room, "reader"), await system.join(room, "writer")
    await writer.say("once")
    seen = await reader.chats_until("once")
    while (event := await reader.next(_QUIET_S)) is not None:
        seen += [event["content"]] if event["type"] == "chat" else []
    copies = Counter(seen)["once"]
    return Finding(copies != 1, f"with Redis, one message came {copies} time{'s' * (copies != 1)}")


async def second_tab_closes_first(system: System) -> Finding:
    room = unique("room")
    first, writer = await system.join(room, "alice"), await system.join(room, "writer")
    await system.join(room, "alice")
    await writer.say("to both tabs")
    received = (await first.chats_until("to both tabs")) == ["to both tabs"]
    words = "kept receiving the room" if received else "was cut off"
    return Finding(not received, f"when a user opened a second tab, the first {words}")


async def rooms_never_freed(system: System) -> Finding:
    before = await system.rooms()
    for number in range(_ROOMS):
        await (await system.join(unique(f"room{number}"), "passer-by")).socket.close()
    deadline_s = time.monotonic() + EVENT_S
    while (kept := await system.rooms() - before) > 0 and time.monotonic() < deadline_s:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.1)
    return Finding(kept > 0, f"of {_ROOMS} rooms that everybody had left, {max(kept, 0)} were still held")


async def any_user_id(system: System) -> Finding:
    admitted = await system.impersonate(unique("room"), "alice")
    words = "spoke as alice" if admitted else "was refused"
    return Finding(admitted, f"a client without a valid token who claimed to be alice {words}")


async def markup_relayed(system: System) -> Finding:
    room = unique("room")
    reader, writer = await system.join(room, "reader"), await system.join(room, "writer")
    await writer.say(_MARKUP)
    while (event := await reader.next()) is not None and event["type"] != "chat":
        pass
    assert event is not None, "the message never came"
    relayed = event["content"] == _MARKUP
    return Finding(relayed, f"{_MARKUP} reached the others as {event['content']}")


async def stuck_reader(system: System) -> Finding:
    room = unique("room")
    stuck = await system.join_with_small_buffer(room, "stuck")
    reader, writer = await system.join(room, "reader"), await system.join(room, "writer")
    stuck.socket.transport.pause_reading()
    for batch in range(_BATCHES):
        if not await _pass_on(batch, writer, reader):
            # It was the stuck one and nothing else: with it gone, what waited comes.
            stuck.socket.transport.abort()
            assert await reader.next() is not None, "the room stands still for another reason"
            return Finding(True, "with one reader that reads nothing, the room stood still for everybody until it went")
    return Finding(False, "with one reader that reads nothing, the room went on for everybody else")


async def _pass_on(batch: int, writer: Tab, reader: Tab) -> bool:
    """Whether a batch of large messages reaches who reads, the writer among them."""
    last = f"end of {batch}"
    writing = asyncio.create_task(_write_batch(writer, last))
    contents = await asyncio.gather(*(tab.chats_until(last, _STILL_S) for tab in (reader, writer)))
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    return all(got[-1:] == [last] for got in contents)


async def _write_batch(writer: Tab, last: str) -> None:
    for _ in range(_BATCH):
        await writer.say(_LARGE)
    await writer.say(last)


async def malformed_json_kills(system: System) -> Finding:
    tab = await system.join(unique("room"), "alice")
    await tab.raw('{"type":')
    while (event := await tab.next()) is not None and event["type"] != "error":
        pass
    killed = not await tab.is_open()
    words = "dead" if killed else "alive" if event is None else f"alive, and answered {event['code']}"
    return Finding(killed, f"after half a JSON object the connection was {words}")


async def foreign_origin(system: System) -> Finding:
    admitted = await system.admits(unique("room"), "alice", _FOREIGN)
    return Finding(admitted, f"a page of {_FOREIGN} was {'admitted' if admitted else 'refused'}")


async def no_rate_limit(system: System) -> Finding:
    room = unique("room")
    reader, writer = await system.join(room, "reader"), await system.join(room, unique("writer"))
    for number in range(_BURST):
        await writer.say(f"burst {number}")
    await (await system.join(room, unique("other"))).say("after the burst")
    relayed = len(await reader.chats_until("after the burst")) - 1
    return Finding(relayed == _BURST, f"of {_BURST} messages sent at once by one user, {relayed} were relayed")


PROBES: dict[str, Probe] = {
    "delivered_twice": Probe(delivered_twice, redis=True),
    "second_tab_closes_first": Probe(second_tab_closes_first),
    "rooms_never_freed": Probe(rooms_never_freed, {"HISTORY_SECONDS": "0.5", "PRESENCE_TTL_SECONDS": "1"}),
    "any_user_id": Probe(any_user_id),
    "markup_relayed": Probe(markup_relayed),
    "stuck_reader": Probe(stuck_reader, {"RATE": "0"}),
    "malformed_json_kills": Probe(malformed_json_kills),
    "foreign_origin": Probe(foreign_origin),
    "no_rate_limit": Probe(no_rate_limit),
}
