"""Raw rows in flat arrays while the load runs, Parquet afterwards: nothing is aggregated or rounded."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records.schema import ABSENT_NS, OUTAGES, PUBLISHES, SAMPLES, Phase
from loadtests.records.store import writing

SAMPLE_COLUMNS = tuple(name for name in SAMPLES.names if name not in ("cell", "phase"))
MAX_ROWS = 20_000_000  # 1.9 GB of memory; a run that goes on for days keeps its first ones and says so

_PUBLISH_COLUMNS = ("scheduled_ns", "sent_ns", "accepted_ns", "offset", "refused_ns")
_WIDTH = len(_PUBLISH_COLUMNS)
_Table = npt.NDArray[np.int64]


class Publications:
    """One publisher's messages, in order: scheduled, sent, accepted, offset, refused."""

    __slots__ = ("looked_at", "publisher", "room", "row", "rows")

    def __init__(self, publisher: int, room: int) -> None:
        self.publisher = publisher
        self.room = room
        self.rows = array("q")
        self.row = ""  # in Locust's tables: the class of the user that publishes now
        self.looked_at = 0  # messages that `settled` has looked at, or need not

    def add(self, scheduled_ns: int, sent_ns: int) -> None:
        """Record a message that was just sent."""
        self.rows.extend((scheduled_ns, sent_ns, ABSENT_NS, -1, ABSENT_NS))

    def __len__(self) -> int:
        """How many messages were sent."""
        return len(self.rows) // _WIDTH

    def accept(self, message: int, accepted_ns: int, offset: int) -> None:
        """Record the acknowledgement of the publisher's `message`; raises IndexError for one never sent."""
        self.rows[message * _WIDTH + 2] = accepted_ns
        self.rows[message * _WIDTH + 3] = offset

    def refuse(self, message: int, refused_ns: int) -> None:
        """Record an error answer to the publisher's `message`; raises IndexError for one never sent."""
        self.rows[message * _WIDTH + 4] = refused_ns

    def settled(self, before_ns: int) -> Iterator[tuple[int, int]]:
        """Yield when messages were due and when they were accepted, each message once, in their order.

        Accepted is ABSENT_NS where a message due before `before_ns` has no answer. A younger one without an answer is
        waited for; one that an error answered is passed over.
        """
        while self.looked_at < len(self):
            due_ns, _, accepted_ns, _, refused_ns = self.rows[self.looked_at * _WIDTH : (self.looked_at + 1) * _WIDTH]
            if accepted_ns == refused_ns == ABSENT_NS and due_ns >= before_ns:
                return
            self.looked_at += 1
            if refused_ns == ABSENT_NS:
                yield due_ns, accepted_ns

    def table(self) -> _Table:
        """Shape (messages, 5)."""
        return np.array(self.rows, dtype=np.int64).reshape(-1, _WIDTH)


class Recorder:
    """All deliveries and publications of one cell in one process."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self.rows = array("q")
        self.publications: list[Publications] = []
        self.deliveries = 0
        self.foreign_clock = 0  # deliveries whose publication was stamped by another clock

    def add(self, row: Sequence[int]) -> None:
        """Record one delivery: the columns of SAMPLES between `cell` and `phase`, in their order."""
        self.deliveries += 1
        if self.deliveries <= MAX_ROWS:
            self.rows.extend(row)

    @property
    def dropped(self) -> int:
        """Deliveries counted and not kept."""
        return max(0, self.deliveries - MAX_ROWS)

    def failed(self, from_ns: int, to_ns: int) -> tuple[int, int]:
        """Publications scheduled in [from, to) that an error answered, and those that nothing answered."""
        refused = unanswered = 0
        for publications in self.publications:
            scheduled_ns, _, accepted_ns, _, refused_ns = publications.table().T
            failed = (scheduled_ns >= from_ns) & (scheduled_ns < to_ns) & (accepted_ns == ABSENT_NS)
            refused += int(np.count_nonzero(failed & (refused_ns != ABSENT_NS)))
            unanswered += int(np.count_nonzero(failed & (refused_ns == ABSENT_NS)))
        return refused, unanswered

    def write(self, folder: Path, from_ns: int, to_ns: int) -> None:
        """Write `samples.parquet` and `publishes.parquet`; [from, to) is the measured phase. Raises RunError."""
        samples = np.array(self.rows, dtype=np.int64).reshape(-1, len(SAMPLE_COLUMNS))
        columns = dict(zip(SAMPLE_COLUMNS, samples.T, strict=True))
        _write(folder / "samples.parquet", SAMPLES, self.cell, columns, from_ns, to_ns)
        tables = [publications.table() for publications in self.publications]
        sizes = [len(table) for table in tables]
        published = np.concatenate(tables) if tables else np.empty((0, _WIDTH), dtype=np.int64)
        columns = dict(zip(_PUBLISH_COLUMNS, published.T, strict=True))
        columns["publisher"] = np.repeat([each.publisher for each in self.publications], sizes).astype(np.int64)
        columns["room"] = np.repeat([each.room for each in self.publications], sizes).astype(np.int64)
        columns["message"] = np.concatenate(
            [np.arange(size, dtype=np.int64) for size in sizes] or [np.empty(0, dtype=np.int64)]
        )
        _write(folder / "publishes.parquet", PUBLISHES, self.cell, columns, from_ns, to_ns)


def write_outages(folder: Path, cell: str, rows: Sequence[int]) -> None:
    """Write `outages.parquet`; `rows` holds the columns of OUTAGES after `cell`, one row after the other."""
    names = [name for name in OUTAGES.names if name != "cell"]
    columns = dict(zip(names, np.array(rows, dtype=np.int64).reshape(-1, len(names)).T, strict=True))
    _save(folder / "outages.parquet", OUTAGES, cell, columns)


def _write(path: Path, schema: pa.Schema, cell: str, columns: dict[str, _Table], from_ns: int, to_ns: int) -> None:
    scheduled_ns = columns["scheduled_ns"]
    measured = (scheduled_ns >= from_ns) & (scheduled_ns < to_ns)
    if "user_rx_ns" in columns:
        # When a message of another clock was due is unknown: what came since the phase began may belong to it.
        measured |= (scheduled_ns == ABSENT_NS) & (columns["user_rx_ns"] >= from_ns)
    columns["phase"] = np.where(measured, Phase.MEASURED, Phase.WARM_UP).astype(np.int64)
    _save(path, schema, cell, columns)


def _save(path: Path, schema: pa.Schema, cell: str, columns: dict[str, _Table]) -> None:
    size = len(next(iter(columns.values())))
    arrays = [
        _cell_column(cell, size) if name == "cell" else _column(columns[name]).cast(schema.field(name).type)
        for name in schema.names
    ]
    with writing(path):
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)


# Columns are made from buffers: pa.array() imports pandas first, two seconds at the end of every cell.


def _cell_column(cell: str, size: int) -> pa.DictionaryArray:
    name = cell.encode()
    offsets = pa.py_buffer(np.array([0, len(name)], dtype=np.int32))
    names = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(name))
    return pa.DictionaryArray.from_arrays(_column(np.zeros(size, dtype=np.int64)).cast(pa.int16()), names)


def _column(values: _Table) -> pa.Int64Array:
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
