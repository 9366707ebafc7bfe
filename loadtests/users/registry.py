"""All user classes by name: what a CellSpec or Locust's command line may ask for."""

from __future__ import annotations

from loadtests.users.room_user import RoomUser
from loadtests.users.transports import LongPollUser, ShortPollUser, SseUser, WebSocketUser

USER_CLASSES: dict[str, type[RoomUser]] = {
    user_class.__name__: user_class for user_class in (WebSocketUser, SseUser, LongPollUser, ShortPollUser)
}
