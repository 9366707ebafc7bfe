"""What the Redis backplane keeps, and under which names. All keys begin with `rtlab:` and expire.

A room's keys share the hash tag `{room}`, a user's the tag `{user:…}`: every script touches one tag only, so that a
cluster would do. `lua/room.lua` says what is in a room's keys.

| key | | expires |
|---|---|---|
| `rtlab:{ROOM}:head` | hash: epoch, offset, life | history + lease after the last event or lease |
| `rtlab:{ROOM}:log` | stream of the last events, ids `offset-milliseconds` | as head |
| `rtlab:{ROOM}:retries` | hash: retry key -> offset | as head |
| `rtlab:{ROOM}:leases` | zset: user and lease -> when it runs out | as head |
| `rtlab:{ROOM}:users` | hash: user -> number of leases | as head |
| `rtlab:{user:USER}:bucket` | hash: tokens, as of when | when it is full again |
| `rtlab:due` | zset: room -> when a lease there may run out | a day after the last look |
| `rtlab:life` | hash: life, run id of the server, when it was seen, slip of its clock | as due, and history |
| `rtlab:{~probe}:…` | no room: what Redis lets us do is tried out there | at once |
| channel `rtlab:DB:{ROOM}:wake` | each event as it is stored; `dismiss TOKEN_KEY` when that token's holder has left | |
"""

from __future__ import annotations

from typing import Final

from core.model import RoomId, UserId

DUE: Final = "rtlab:due"
LIFE: Final = "rtlab:life"
NO_ROOM: Final = RoomId("~probe")  # no room has such a name: its keys are for trying out what Redis lets us do


def room_keys(room: RoomId) -> tuple[str, str, str, str, str]:
    """The keys of a room, in the order that `room.lua` expects."""
    tag = f"rtlab:{{{room}}}"
    return (f"{tag}:head", f"{tag}:log", f"{tag}:retries", f"{tag}:leases", f"{tag}:users")


def probe_keys() -> tuple[str, ...]:
    """The keys that `probe.lua` expects."""
    return (*room_keys(NO_ROOM), DUE, LIFE, bucket_key(UserId("~probe")))


def bucket_key(user_id: UserId) -> str:
    """A user's token bucket."""
    return f"rtlab:{{user:{user_id}}}:bucket"


def channel(database: int, room: RoomId) -> str:
    """The channel of a room's events. Redis has one namespace of channels for all databases."""
    return f"rtlab:{database}:{{{room}}}:wake"
