"""The Lua scripts, and the digests that Redis knows them by."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

_LUA = files("core.backplane").joinpath("lua")
_ROOM_SCRIPTS: Final = ("publish", "find", "history", "head", "hold", "release", "expire", "members")
_OTHER_SCRIPTS: Final = ("limit", "life", "due", "claim", "settle", "tell", "probe")


def read_scripts() -> dict[str, str]:
    """The Lua source of every script by name."""
    room = _LUA.joinpath("room.lua").read_text(encoding="utf-8")
    own = {name: _LUA.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in _ROOM_SCRIPTS + _OTHER_SCRIPTS}
    return {name: room + text if name in _ROOM_SCRIPTS else text for name, text in own.items()}


SCRIPTS: Final = read_scripts()
SHAS: Final = {name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()}
