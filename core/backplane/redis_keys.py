"""What the Redis backplane keeps, and under which names. All keys begin with `rtlab:2:` and expire.

The number is of this layout: instances of another one have rooms of their own. A room's keys share the hash tag
`{ROOM}`. `lua/room.lua` and `lua/presence.lua` say what is in them.

| key | | expires |
|---|---|---|
| `rtlab:2:DB:{ROOM}` | hash: epoch; epoch -> offset; life, retry keys | 1.1 x history after the last event or lease |
| `rtlab:2:DB:{ROOM}:log` | stream of the last events: offset -> payload | with the room |
| `rtlab:2:DB:{ROOM}:past` | hash: earlier retry keys -> place | with the room |
| `rtlab:2:DB:{ROOM}:leases` | zset: user and lease -> when it runs out | with the room |
| `rtlab:2:DB:{ROOM}:users` | hash: user -> number of leases | with the room |
| `rtlab:2:{user:USER}:bucket` | when it is full again, microseconds | a minute after that, at most |
| `rtlab:2:due` | zset: room -> when a lease there may run out | a day after the last look |
| `rtlab:2:life` | hash: life, run id of the server, when it was seen, slip of its clock | as due, and history |
| `rtlab:2:DB:{~probe}…` | no room: what Redis lets us do is tried out there | at once |
| channel `rtlab:2:DB:{ROOM}` | each event as it is stored; `dismiss TOKEN_KEY` when that token's holder has left | |
"""

from __future__ import annotations

from typing import Final

from core.model import RoomId, UserId

_LAYOUT: Final = "rtlab:2"
DUE: Final = f"{_LAYOUT}:due"
LIFE: Final = f"{_LAYOUT}:life"
NO_ROOM: Final = RoomId("~probe")  # no room has such a name: its keys are for trying out what Redis lets us do


def room_key(database: int, room: RoomId) -> str:
    """The hash of a room, and the channel of its events. Redis has one namespace of channels for all databases."""
    return f"{_LAYOUT}:{database}:{{{room}}}"


def probe_keys(database: int) -> tuple[str, ...]:
    """The keys that `probe.lua` expects."""
    room = room_key(database, NO_ROOM)
    parts = (f"{room}:{part}" for part in ("log", "past", "leases", "users"))
    return (room, *parts, DUE, LIFE, bucket_key(UserId("~probe")))


def bucket_key(user_id: UserId) -> str:
    """A user's token bucket."""
    return f"{_LAYOUT}:{{user:{user_id}}}:bucket"
