"""The users in a room, by their counted connections, each held by a lease."""

from __future__ import annotations

from core.model import Member, UserId


class Presence:
    """The leases of one room. Two tabs are one user: the first lease joins, the last one gone leaves.

    A lease is named by its holder and runs until `expires_at_s`, on any clock that does not run backwards.
    """

    __slots__ = ("_leases",)

    def __init__(self) -> None:
        self._leases: dict[UserId, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def hold(self, user_id: UserId, lease: str, expires_at_s: float) -> bool:
        """Take or renew a lease. Returns whether the user was not in the room before."""
        leases = self._leases.get(user_id)
        if leases is None:
            self._leases[user_id] = {lease: expires_at_s}
            return True
        leases[lease] = expires_at_s
        return False

    def prolong(self, user_id: UserId, lease: str, expires_at_s: float) -> None:
        """Renew a lease if it is held; nothing otherwise."""
        leases = self._leases.get(user_id, {})
        if lease in leases:
            leases[lease] = expires_at_s

    def release(self, user_id: UserId, lease: str) -> bool:
        """Give a lease back. Returns whether it was the user's last; False too for a lease that nobody holds."""
        leases = self._leases.get(user_id)
        if leases is None or leases.pop(lease, None) is None or leases:
            return False
        del self._leases[user_id]
        return True

    def expire(self, now_s: float) -> list[UserId]:
        """Drop the leases that ran out. Returns the users who left by it."""
        ended: list[tuple[UserId, str]] = [
            (user_id, lease)
            for user_id, leases in self._leases.items()
            for lease, expires_at_s in leases.items()
            if expires_at_s <= now_s
        ]
        return [user_id for user_id, lease in ended if self.release(user_id, lease)]

    def members(self) -> tuple[Member, ...]:
        """Everybody in the room, in order of joining."""
        return tuple(Member(user_id, len(leases)) for user_id, leases in self._leases.items())
