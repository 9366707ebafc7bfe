"""Counts of users who come and go: each is owed what was published in its room while it was there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.schema import ABSENT_NS, Counts
from loadtests.records.shard import UserSpan
from loadtests.run import counts

Integers = npt.NDArray[np.int64]


def count(
    samples: pa.Table, publishes: pa.Table, spans: Sequence[UserSpan], *, late_ns: int, other_clock: frozenset[int]
) -> Counts:
    """Return the counts of the users in `spans`, whose deliveries `samples` are.

    Owed is what was accepted and sent after a user's welcome and more than `late_ns` before its stop. Users numbered in
    `other_clock` can't be placed in time: each is owed what lies between its first and its last delivery.
    """
    published = counts.measured(publishes)
    answered = published.filter(pc.not_equal(published["accepted_ns"], ABSENT_NS))
    refused = published.filter(pc.not_equal(published["refused_ns"], ABSENT_NS)).num_rows
    unanswered = published.num_rows - answered.num_rows - refused
    delivered = counts.measured(samples)
    doubled, reordered = counts.doubled_and_reordered(delivered, 1 + max((span.room for span in spans), default=0))
    by_user = _offsets_by_user(delivered)
    rooms = {room: _of_room(answered, room) for room in {span.room for span in spans}}
    expected = received = 0
    for span in spans:
        got = by_user.get(span.number, np.empty(0, dtype=np.int64))
        sent_ns, offsets = rooms[span.room]
        if span.number in other_clock:
            owed = offsets[(offsets >= got.min()) & (offsets <= got.max())] if len(got) else offsets[:0]
        elif span.from_ns:
            owed = offsets[(sent_ns > span.from_ns) & (sent_ns < span.to_ns - late_ns)]
        else:
            owed = offsets[:0]
        expected += len(owed)
        received += int(np.isin(owed, got).sum())
    return Counts(
        published=answered.num_rows,
        refused=refused,
        expected=expected,
        received=received,
        lost=expected - received,
        duplicates=doubled,
        out_of_order=reordered,
        told_gaps=sum(span.told_gaps for span in spans),
        reconnects=sum(span.reconnects for span in spans),
        unanswered=unanswered,
    )


def _of_room(publishes: pa.Table, room: int) -> tuple[Integers, Integers]:
    there = publishes.filter(pc.equal(publishes["room"], room))
    return counts.column(there, "sent_ns"), counts.column(there, "offset")


def _offsets_by_user(samples: pa.Table) -> Mapping[int, Integers]:
    users, offsets = counts.column(samples, "subscriber"), counts.column(samples, "offset")
    by_user = np.argsort(users, kind="stable")
    found, starts = np.unique(users[by_user], return_index=True)
    return dict(zip(found.tolist(), np.split(offsets[by_user], starts[1:]), strict=True)) if len(found) else {}
