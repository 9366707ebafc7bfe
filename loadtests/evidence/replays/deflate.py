"""Bytes of a chat server's small JSON events on a WebSocket: plain, each compressed alone, and with the window kept.

The events have the names, fields and sizes of the published ones, with random ids. The frames are those of the
websockets library, which the portable server uses: RFC 6455 and, compressed, RFC 7692.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

MESSAGES = 100
_LEVEL = 6
_ID_BYTES = 26
_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"  # of the published ids
_REPLY_EVERY = 3  # typing events that answer a message

Event = dict[str, Any]


def figures(seed: int = 1) -> dict[str, float]:
    """Return `NAME.plain` and `NAME.alone` in bytes, the mean of `MESSAGES` events, and `NAME.kept_saves` in %."""
    found: dict[str, float] = {}
    for name, make in EVENTS.items():
        rng = random.Random(f"{seed}.{name}")
        bodies = [msgspec.json.encode(make(rng, number)) for number in range(MESSAGES)]
        plain, alone, kept = (_mean_bytes(bodies, extension) for extension in (None, _deflate(False), _deflate(True)))
        found |= {f"{name}.plain": plain, f"{name}.alone": alone, f"{name}.kept_saves": 100 * (1 - kept / plain)}
    return found


def _deflate(keep_window: bool) -> PerMessageDeflate:
    # A server's own side: what it sends is compressed with the local window.
    return PerMessageDeflate(
        remote_no_context_takeover=not keep_window,
        local_no_context_takeover=not keep_window,
        remote_max_window_bits=15,
        local_max_window_bits=15,
        compress_settings={"level": _LEVEL},
    )


def _mean_bytes(bodies: list[bytes], extension: PerMessageDeflate | None) -> float:
    extensions = [] if extension is None else [extension]
    frames = (Frame(Opcode.TEXT, body).serialize(mask=False, extensions=extensions) for body in bodies)
    return sum(map(len, frames)) / len(bodies)


def _id(rng: random.Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=_ID_BYTES))


def _event(name: str, data: Event, number: int, **broadcast: object) -> Event:
    to = {"omit_users": None, "user_id": "", "channel_id": "", "team_id": "", "connection_id": ""}
    return {
        "event": name,
        "data": data,
        "broadcast": {**to, "omit_connection_id": "", **broadcast},
        "seq": number,
    }


def _typing(rng: random.Random, number: int) -> Event:
    user, parent = _id(rng), "" if number % _REPLY_EVERY else _id(rng)
    data = {"parent_id": parent, "user_id": user}
    return _event("typing", data, number, omit_users={user: True}, channel_id=_id(rng))


def _status_change(rng: random.Random, number: int) -> Event:
    user = _id(rng)
    data = {"status": rng.choice(("online", "away", "dnd", "offline")), "user_id": user}
    return _event("status_change", data, number, user_id=user)


def _reaction_added(rng: random.Random, number: int) -> Event:
    at_ms, channel = 1_753_000_000_000 + rng.randrange(10**9), _id(rng)
    reaction = {
        "user_id": _id(rng),
        "post_id": _id(rng),
        "emoji_name": rng.choice(("thumbsup", "heart", "smile", "tada")),
        "create_at": at_ms,
        "update_at": at_ms,
        "delete_at": 0,
        "remote_id": "",
        "channel_id": channel,
    }
    return _event("reaction_added", {"reaction": msgspec.json.encode(reaction).decode()}, number, channel_id=channel)


EVENTS: Mapping[str, Callable[[random.Random, int], Event]] = {
    "typing": _typing,
    "status_change": _status_change,
    "reaction_added": _reaction_added,
}
