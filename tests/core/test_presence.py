"""Counted connections: a state machine against sets of leases."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.model import Member, UserId
from core.presence import Presence

users = st.sampled_from([UserId("alice"), UserId("bob"), UserId("carol")])
leases = st.sampled_from(["one", "two", "three"])


class PresenceMachine(RuleBasedStateMachine):
    """Joins and leaves must alternate per user, and agree with the leases that run."""

    def __init__(self) -> None:
        super().__init__()
        self.presence = Presence()
        self.now_s = 0.0
        self.running: dict[UserId, dict[str, float]] = {}

    @rule(user=users, lease=leases, ttl_s=st.floats(0.1, 10.0))
    def hold(self, user: UserId, lease: str, ttl_s: float) -> None:
        joined = self.presence.hold(user, lease, self.now_s + ttl_s)
        assert joined is (user not in self.running)
        self.running.setdefault(user, {})[lease] = self.now_s + ttl_s

    @rule(user=users, lease=leases, ttl_s=st.floats(0.1, 10.0))
    def prolong(self, user: UserId, lease: str, ttl_s: float) -> None:
        self.presence.prolong(user, lease, self.now_s + ttl_s)
        if lease in self.running.get(user, {}):
            self.running[user][lease] = self.now_s + ttl_s

    @rule(user=users, lease=leases)
    def release(self, user: UserId, lease: str) -> None:
        held = self.running.get(user, {})
        last = set(held) == {lease}
        assert self.presence.release(user, lease) is last
        held.pop(lease, None)
        if last:
            del self.running[user]

    @rule(seconds=st.floats(0.0, 10.0))
    def expire(self, seconds: float) -> None:
        self.now_s += seconds
        left = self.presence.expire(self.now_s)
        after: dict[UserId, dict[str, float]] = {}
        for user, held in self.running.items():
            if kept := {lease: until_s for lease, until_s in held.items() if until_s > self.now_s}:
                after[user] = kept
        assert sorted(left) == sorted(set(self.running) - set(after))
        self.running = after

    @invariant()
    def members_are_those_with_leases(self) -> None:
        assert len(self.presence) == len(self.running)
        assert set(self.presence.members()) == {Member(user, len(held)) for user, held in self.running.items()}


PresenceMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
TestPresenceMachine = PresenceMachine.TestCase


def test_two_tabs_are_one_user() -> None:
    presence, alice = Presence(), UserId("alice")
    assert presence.hold(alice, "tab1", 10.0)
    assert not presence.hold(alice, "tab2", 10.0)
    assert presence.members() == (Member(alice, 2),)
    assert not presence.release(alice, "tab1")
    assert not presence.release(alice, "tab1")
    assert presence.release(alice, "tab2")
    assert presence.members() == ()


def test_members_come_in_order_of_joining() -> None:
    presence = Presence()
    for name in ("carol", "alice", "bob"):
        presence.hold(UserId(name), "tab", 10.0)
    presence.hold(UserId("carol"), "other", 10.0)
    assert [member.user_id for member in presence.members()] == ["carol", "alice", "bob"]
