"""Planted truths: what the fault server does to which message, as values. No clock and no socket live here."""

from __future__ import annotations

import msgspec

from loadtests.load.clients import stamp

EPOCH = "calibration"
OTHER_CLOCK = "00000000"
OTHER_CLOCK_NS = 5_000_000_000_000


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong. Offsets count from 1 in each room; `*_every` of 0 means never."""

    delay_ms: float = 5.0  # between the instant that a publication carries and its delivery
    late_ms: float = 20.0  # the delay's other value …
    late_every: int = 0  # … for each message whose offset is a multiple of this
    lose_every: int = 0
    duplicate_every: int = 0
    reorder_every: int = 0  # such a message is delivered right after its successor
    stall_after: int = 0  # messages, in all rooms, after which the whole server stops …
    stall_s: float = 1.0  # … for so long, once
    freeze_after: int = 0  # publications, in all rooms, after which the process is stopped (SIGSTOP) …
    freeze_s: float = 0.0  # … for so long; 0: for good
    refuse_every: int = 0  # such a publication of a room, in the order they come, is answered by an error
    cut_after: int = 0  # messages after which every subscriber is disconnected, once
    other_clock_every: int = 0  # such a message is delivered with a stamp of another clock
    forget_in_replay: int = 0  # the so-many-th replay of a room leaves its first event out
    double_in_replay: int = 0  # the so-many-th replay of a room has its first event twice
    replay_late_ms: float = 0.0  # between the word where a client was and the first bytes that it is answered with
    first_byte_ms: float = 0.0  # between a connection's first bytes and the first bytes it is answered with


class Delivery(msgspec.Struct, frozen=True, order=True):
    """One event that is due to all subscribers of a room."""

    due_ns: int
    sequence: int  # orders deliveries that are due together
    room: str
    offset: int
    body: bytes  # the event's JSON


class FaultRoom:
    """Assigns offsets and decides what is delivered when; remembers what was delivered."""

    def __init__(self, name: str, faults: Faults) -> None:
        self.name = name
        self.published = 0
        self._asked = 0  # publications, those that are refused included
        self.delivered: list[Delivery] = []
        self._faults = faults
        self._replays = 0  # that had an event
        self._held: Delivery | None = None  # waits for its successor
        self._sequence = 0
        self._from_ns = 0  # where the delay of the message before began

    def position(self, offset: int) -> str:
        """The contract's position."""
        return f"{EPOCH}:{offset}"

    def refuses(self) -> bool:
        """Whether the next publication is to be refused; to be asked once for each."""
        self._asked += 1
        return _falls_on(self._asked, self._faults.refuse_every)

    def publish(self, user: str, content: str, ref: str, accepted_ns: int) -> tuple[str, list[Delivery]]:
        """Accept one message; return its id and the deliveries that follow from it.

        The delay counts from the instant in the message: what is planted is then the very figure that the lab reports,
        whatever the message's way here took. A message that carries none is delayed from its acceptance.
        """
        faults = self._faults
        stamped = stamp.read(content)
        # A message read from another connection may have been due before one that was given its offset earlier:
        # nothing is delivered out of order unless that was planted.
        self._from_ns = max(self._from_ns, stamped[2] if stamped is not None else accepted_ns)
        self.published += 1
        offset = self.published
        if stamped is not None and _falls_on(offset, faults.other_clock_every):
            content = _restamped(stamped, len(content))
        chat = {"type": "chat", "id": self.position(offset), "room": self.name, "userId": user, "content": content}
        body = msgspec.json.encode(chat | {"timestamp": accepted_ns // 1_000_000, "ref": ref})
        delay_ms = faults.late_ms if _falls_on(offset, faults.late_every) else faults.delay_ms
        self._sequence += 2
        delivery = Delivery(self._from_ns + int(delay_ms * 1e6), self._sequence, self.name, offset, body)
        return self.position(offset), self._mistreat(delivery)

    def since(self, offset: int) -> list[Delivery]:
        """What was delivered and lies after `offset`."""
        return [delivery for delivery in self.delivered if delivery.offset > offset]

    def replay(self, missed: list[Delivery]) -> list[Delivery]:
        """What a client that comes back is given of what it missed; to be asked once for each."""
        self._replays += bool(missed)
        if self._replays == self._faults.forget_in_replay:
            return missed[1:]
        if self._replays == self._faults.double_in_replay:
            return missed[:1] + missed
        return missed

    def _mistreat(self, delivery: Delivery) -> list[Delivery]:
        faults, offset = self._faults, delivery.offset
        if _falls_on(offset, faults.lose_every):
            return []
        if _falls_on(offset, faults.reorder_every):
            self._held = delivery
            return []
        deliveries = [delivery]
        if _falls_on(offset, faults.duplicate_every):
            deliveries.append(delivery)
        if self._held is not None:
            # The successor's due time and a later sequence: right behind it, whatever its own delay was.
            deliveries.append(
                Delivery(delivery.due_ns, delivery.sequence + 1, self.name, self._held.offset, self._held.body)
            )
            self._held = None
        return deliveries


def _restamped(stamped: stamp.Stamp, payload_bytes: int) -> str:
    """Stamp the message again as a publisher would whose host started at another time."""
    publisher, message, scheduled_ns, sent_ns, _ = stamped
    return stamp.build(
        publisher, message, scheduled_ns + OTHER_CLOCK_NS, sent_ns + OTHER_CLOCK_NS, payload_bytes, OTHER_CLOCK
    )


def _falls_on(offset: int, every: int) -> bool:
    return every > 0 and offset % every == 0
