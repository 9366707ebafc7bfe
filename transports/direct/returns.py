"""Pollers that come back: their next poll continues the last one, without a new `attach` and without a wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.hub import Hub
from core.model import Position
from core.outbox import Backlog
from transports.direct.poll_batches import PollBatcher
from transports.direct.subscription import PollSubscription


class Returns:
    """Resumes and withdraws the pollers of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def resume(self, subscription: PollSubscription, since: Position) -> list[Any] | None:
        """Continue an answered poller: the frames of the few events it missed, or none, and then it listens.

        None when only a new `attach` can do that: its token or lease has run out, its place is too far behind, the
        server drains, or it listens already.
        """
        hub, now_s = self._hub, self._hub.clock()
        self._check_auth((subscription,), now_s)
        channel, fanout = subscription.channel, subscription.fanout
        if hub.draining or now_s >= subscription.auth_valid_until_s or channel is None or channel.closed:
            return None
        if not isinstance(fanout, PollBatcher):
            return None
        channel.idle_since_s = now_s  # pollers who are all on their way back are nobody who has left
        head = channel.head
        if since is head:  # as most who come back: they were answered with that very position
            behind = 0
        else:
            behind = head.offset - since.offset if head is not None and since.epoch == head.epoch else -1
        held = fanout.hold(subscription, behind)
        if held is None:
            return None
        missed = () if held else channel.missed(since, fanout.pending)
        if missed is None:
            return None
        hub.stats.resumes["recovered"] += 1
        if not missed:
            return []
        fanout.expect_return()
        frames = Backlog(missed).take(subscription.framing)  # what does not fit is asked for with the next poll
        hub.stats.deliveries[subscription.transport] += len(frames)
        return frames

    def resume_all(self, subscriptions: Sequence[PollSubscription], since: Position) -> Sequence[PollSubscription]:
        """Continue pollers who were answered with the same last. Returns those whom `resume` has to look at."""
        hub = self._hub
        if hub.draining or not subscriptions:
            return subscriptions
        now_s = hub.clock()
        self._check_auth(subscriptions, now_s)
        channel, fanout = subscriptions[0].channel, subscriptions[0].fanout
        if channel is None or channel.closed or not isinstance(fanout, PollBatcher):
            return subscriptions
        head = channel.head
        able = [each for each in subscriptions if now_s < each.auth_valid_until_s and each.channel is channel]
        if not able or head is None or since.epoch != head.epoch:
            return subscriptions
        channel.idle_since_s = now_s
        if not fanout.hold_all(able, head.offset - since.offset):
            return subscriptions
        hub.stats.resumes["recovered"] += len(able)
        return () if len(able) == len(subscriptions) else list(set(subscriptions).difference(able))

    def withdraw(self, subscription: PollSubscription) -> bool:
        """Give a poller nothing until it is resumed. Returns False when it has just been answered."""
        fanout = subscription.fanout
        if not isinstance(fanout, PollBatcher) or subscription.channel is None:
            return False
        if fanout.is_direct(subscription):
            fanout.flush()  # not for one that is queued for: many that come late would undo every batch of the others
        listened = subscription in fanout
        subscription.channel.remove(subscription)
        if listened:
            fanout.expect_return()  # it is answered with nothing, and comes back
            subscription.outbox.clear()  # it asks for that from where it is, when it is resumed
            self._hub.stats.connections[subscription.transport] -= 1
        return listened

    def _check_auth(self, subscriptions: Sequence[PollSubscription], now_s: float) -> None:
        """Note until when tokens and leases need not be looked at again, where that has run out."""
        hub, generation = self._hub, self._hub.leases.generation
        for each in subscriptions:
            if now_s >= each.auth_valid_until_s or each.lease_generation != generation:
                each.lease_generation = generation
                token_s = each.principal.expires_at_s - hub.wall_clock()
                each.auth_valid_until_s = now_s + min(token_s, hub.leases.held_for_s(each.lease))
