"""The one way in for what clients send: size, then decode, validate, sanitise. Any failure is a RoomError.

The limit per user comes after it, in the backplane, since it is shared by all instances.
"""

from __future__ import annotations

from html import escape

from core import wire
from core.model import Draft, Principal


class Ingress:
    """Bytes in, drafts out."""

    __slots__ = ("max_bytes",)

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes

    def command(self, raw: bytes) -> wire.Command:
        """One frame of a duplex transport. Raises TooLarge, BadRequest."""
        wire.check_size(raw, self.max_bytes)
        return wire.decode_command(raw)

    def chat_body(self, raw: bytes) -> wire.Chat:
        """The body of a POSTed message. Raises TooLarge, BadRequest."""
        wire.check_size(raw, self.max_bytes)
        return wire.decode_chat_body(raw)

    def draft(self, principal: Principal, chat: wire.Chat, timestamp_ms: int) -> Draft:
        """What is stored of a valid chat: sanitised, in the name of the token's user."""
        return wire.draft("chat", principal.user_id, timestamp_ms, sanitise(chat.content), chat.ref or None)


def sanitise(content: str) -> str:
    """Escape `& < > " '`, each once: un-escaping gives back what was typed, inserting it as HTML runs nothing."""
    # Most texts have none of them: five looks are cheaper than five copies that change nothing.
    if "&" in content or "<" in content or ">" in content or '"' in content or "'" in content:
        return escape(content, quote=True)
    return content
