"""What can go wrong between a client and a server, by whose fault it is."""

from __future__ import annotations

from typing import NamedTuple


class ClientError(Exception):
    """Root of everything a client raises."""


class AddressError(ClientError, ValueError):
    """The host given to the generator cannot be used."""


class ProtocolError(ClientError):
    """The peer broke the transport's protocol; the connection is worth nothing any more."""


class ConnectFailed(ClientError):
    """No welcome came out of a connection attempt; `retryable` says whether another attempt may help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotPublished(ClientError):
    """A publication was answered by an error, or not at all in good time."""


class Closed(NamedTuple):
    """Why a connection ended: a WebSocket close code or an HTTP status, 0 where there was neither."""

    code: int
    reason: str

    @property
    def retryable(self) -> bool:
        """False where the same token and room would be refused again."""
        return self.code not in _FINAL_CODES

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})" if self.code else self.reason


_FINAL_CODES = frozenset({400, 401, 403, 404, 405, 413, 4400, 4401, 4403, 4404, 4408})
