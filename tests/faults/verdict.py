"""What the logs of all witnesses together show; nothing that a server says of itself counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from tests.faults.publisher import Books
from tests.faults.witness import Log


@dataclass(slots=True)
class Verdict:
    """Counts over all witnesses; `announced_gaps` is no fault by itself, all else is."""

    lost: int = 0  # acknowledged, in a stretch that a witness followed without an announced gap, and not received
    duplicated: int = 0
    reordered: int = 0
    holes: int = 0  # an offset left out silently, joins and leaves included
    conflicts: int = 0  # one id, two contents
    phantoms: int = 0  # received, but never published, or answered with a refusal
    protocol_errors: int = 0
    announced_gaps: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong unannounced."""
        faults = asdict(self)
        del faults["announced_gaps"]
        return not any(faults.values())


def judge(logs: Iterable[Log], books: Books, published: Collection[str]) -> Verdict:
    """Hold every log against the books. `published` is every content that was ever sent."""
    verdict = Verdict()
    content_of: dict[str, str] = {}
    for log in logs:
        verdict.announced_gaps += log.announced_gaps
        verdict.protocol_errors += len(log.errors)
        _judge_order(log, verdict)
        verdict.lost += _count_lost(log, books)
        for received in log.received:
            if received.gap:
                continue
            if content_of.setdefault(received.id, received.content) != received.content:
                verdict.conflicts += 1
            if received.kind == "chat" and (received.content not in published or received.content in books.refused):
                verdict.phantoms += 1
    return verdict


def _judge_order(log: Log, verdict: Verdict) -> None:
    epoch, offset = _split(log.start) if log.start else ("", 0)
    seen: set[str] = set()
    for received in log.received:
        at_epoch, at = _split(received.id)
        if received.gap:
            epoch, offset = at_epoch, at
            continue
        if received.id in seen:
            verdict.duplicated += 1
        elif at_epoch != epoch:
            verdict.holes += 1  # another life of the room, and no resync said so
        elif at <= offset:
            verdict.reordered += 1
        elif at > offset + 1:
            verdict.holes += 1
        seen.add(received.id)
        epoch, offset = at_epoch, max(at, offset) if at_epoch == epoch else at


def _count_lost(log: Log, books: Books) -> int:
    """Acknowledged messages between the log's start and its end, announced gaps left out, that it never received."""
    received = {each.id for each in log.received if not each.gap}
    stretches: list[tuple[str, int, int]] = []
    if not log.start:
        return len(books.acknowledged)
    epoch, first = _split(log.start)
    last = first
    for each in log.received:
        at_epoch, at = _split(each.id)
        if each.gap:
            stretches.append((epoch, first, last))
            epoch, first, last = at_epoch, at, at
        elif at_epoch == epoch:
            last = max(last, at)
    # To the very end: what was acknowledged after the last event it received is lost as well.
    stretches.append((epoch, first, 1 << 60))
    lost = 0
    for id_ in books.acknowledged.values():
        at_epoch, at = _split(id_)
        within = any(at_epoch == name and low < at <= high for name, low, high in stretches)
        lost += within and id_ not in received
    return lost


def _split(position: str) -> tuple[str, int]:
    epoch, _, offset = position.rpartition(":")
    return epoch, int(offset)
