"""The Lua scripts, and the digests that Redis knows them by."""

from __future__ import annotations

import hashlib
import math
from importlib.resources import files
from typing import Final

from core.settings import Settings

_LUA = files("core.backplane").joinpath("lua")
_ROOM_SCRIPTS: Final = ("history", "head")
_PRESENCE_SCRIPTS: Final = ("hold", "release", "expire", "members")
_OTHER_SCRIPTS: Final = ("life", "due", "claim", "settle", "tell", "probe")
_SLACK_SHARE: Final = 0.1  # of the history's time: how much longer a room may be kept, so that not each event says so

_NAMES: Final = "EVENTS, HISTORY_MS, SLACK_MS, TOKEN_US, MOST_US, KEPT_US, BUCKET_MS"
_KEPT_US: Final = 60_000_000  # how much longer a bucket is kept than it takes to fill, so that not each message says so


def read_scripts() -> dict[str, str]:
    """The Lua source of every script by name, without the settings."""
    names = (
        "room",
        "upkeep",
        "store",
        "presence",
        "publish",
        "lean",
        *_ROOM_SCRIPTS,
        *_PRESENCE_SCRIPTS,
        *_OTHER_SCRIPTS,
    )
    text = {name: _LUA.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names}
    for name in ("presence", "publish"):
        for part in ("upkeep", "store"):
            text[name] = text[name].replace(f"--[[{part}.lua]]", text[part])
    room = text["room"] + text["upkeep"]
    return (
        {name: text[name] for name in _OTHER_SCRIPTS}
        | {name: room + text[name] for name in _ROOM_SCRIPTS}
        | {name: room + text["presence"] + text[name] for name in _PRESENCE_SCRIPTS}
        | {"publish": text["room"] + text["publish"], "lean": text["lean"]}
    )


SCRIPTS: Final = read_scripts()


class Scripts:
    """The scripts with an instance's settings in them: an argument costs each call more than a constant."""

    def __init__(self, settings: Settings) -> None:
        history_ms = int(settings.history_s * 1000)
        token_us = math.ceil(1e6 / settings.rate_per_s) if settings.rate_per_s else 0
        values = (
            settings.history_events,
            history_ms,
            int(history_ms * _SLACK_SHARE),
            token_us,
            settings.burst * token_us,
            _KEPT_US,
            (settings.burst * token_us + _KEPT_US) // 1000 + 1,
        )
        line = f"local {_NAMES} = {', '.join(map(str, values))}\n"
        self.text = {name: text if name in _OTHER_SCRIPTS else line + text for name, text in SCRIPTS.items()}
        self.sha = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in self.text.items()
        }
