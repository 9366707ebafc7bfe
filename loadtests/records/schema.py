"""The run format: what a run folder holds, column by column.

The one boundary between the rooms that measure (`load`, `run`) and those that read (`report`, `evidence`).
Values only: no file is opened here. `results/README.md` explains it.

A run folder is `results/runs/<UTC>-<scenario>-<commit>/`:

- `run.json`           one `Run`, rewritten atomically after each cell; `complete` is set last
- `samples.parquet`    one row per delivery (`SAMPLES`), all cells
- `publishes.parquet`  one row per publication (`PUBLISHES`), all cells
- `timeline.parquet`   one row per second and cell (`TIMELINE`)
- `stamps.parquet`     one row per event (`STAMPS`), of cells whose server stamped; there only if a cell's did
- `outages.parquet`    one row per planned cut (`OUTAGES`); there only if a cell's subscribers are cut
- `server-<cell>.log`, `generator-<cell>.log`, `report.html`, `charts/*.svg`

While a run goes on, each cell's tables lie in `cells/<cell>/…parquet`; they are merged at the end.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import pyarrow as pa

from loadtests.records.calibration import Check
from loadtests.records.disruption import Cuts

SCHEMA_VERSION = 1

ABSENT_NS = -1
"""Stands in a `*_ns` column where there is no such stamp (no kernel stamp, no acknowledgement, another clock)."""

SAMPLES = pa.schema(
    [
        ("cell", pa.dictionary(pa.int16(), pa.string())),  # Cell.id
        ("scheduled_ns", pa.int64()),  # when the open-loop schedule wanted it published; ABSENT_NS: by another clock
        ("sent_ns", pa.int64()),  # when the publisher handed it to the kernel; ABSENT_NS likewise
        ("kernel_rx_ns", pa.int64()),  # the receiver's kernel stamp, on CLOCK_MONOTONIC; ABSENT_NS if none
        ("user_rx_ns", pa.int64()),  # when Python saw it
        ("publisher", pa.int32()),
        ("message", pa.int32()),  # the publisher's own count, from 0
        ("subscriber", pa.int32()),
        ("room", pa.int32()),  # index into the cell's rooms
        ("offset", pa.int64()),  # the event's offset in its room
        ("payload_bytes", pa.int32()),  # UTF-8 length of `content`
        ("wire_bytes", pa.int32()),  # bytes of its frame / SSE event / share of the poll answer, headers included
        ("batch_size", pa.int32()),  # what came out of the same read, from its first delivery on
        ("phase", pa.int8()),  # Phase
    ]
)

PUBLISHES = pa.schema(
    [
        ("cell", pa.dictionary(pa.int16(), pa.string())),
        ("publisher", pa.int32()),
        ("message", pa.int32()),
        ("room", pa.int32()),
        ("scheduled_ns", pa.int64()),
        ("sent_ns", pa.int64()),
        ("accepted_ns", pa.int64()),  # when the ack / 202 was read; ABSENT_NS if never
        ("offset", pa.int64()),  # from the ack; -1 if never acknowledged
        ("phase", pa.int8()),
        ("refused_ns", pa.int64()),  # when an error answer was read; ABSENT_NS if none was
    ]
)

ADDED_COLUMNS = ("refused_ns",)
"""Columns that run folders of earlier versions lack; ABSENT_NS stands for them."""

STAMPS = pa.schema(
    [
        ("cell", pa.dictionary(pa.int16(), pa.string())),
        ("room", pa.int32()),
        ("offset", pa.int64()),
        ("accepted_ns", pa.int64()),  # the server had the valid message; ABSENT_NS where it was none of a client
        ("appended_ns", pa.int64()),  # its offset was assigned
        ("heard_ns", pa.int64()),  # the server that fans out had it: through Redis, or at once
        ("writing_ns", pa.int64()),  # the first write to a subscriber's socket; ABSENT_NS without subscribers
        ("written_ns", pa.int64()),  # the last one
    ]
)

OUTAGES = pa.schema(
    [
        ("cell", pa.dictionary(pa.int16(), pa.string())),
        ("subscriber", pa.int32()),
        ("off_ns", pa.int64()),  # the cable was pulled
        ("on_ns", pa.int64()),  # it was in again: the client began to connect
        ("back_ns", pa.int64()),  # the client was welcome; ABSENT_NS if never
        # Of a server that is not ours both are worked out from what came (`run.outages.placed`).
        ("left_offset", pa.int64()),  # the last one that it had
        ("joined_offset", pa.int64()),  # after which its new connection begins; that of `left_offset` on a resume
    ]
)

TIMELINE = pa.schema(
    [
        ("cell", pa.dictionary(pa.int16(), pa.string())),
        ("t_ns", pa.int64()),  # CLOCK_MONOTONIC at the end of the second
        ("phase", pa.int8()),
        ("server_cpu_percent", pa.float64()),  # of one core
        ("server_rss_kib", pa.float64()),
        ("server_connections", pa.int32()),  # from /metrics
        ("server_outbox_bytes", pa.int64()),
        ("generator_cpu_percent", pa.float64()),
        ("generator_rss_kib", pa.float64()),
        ("generator_lag_ms", pa.float64()),  # worst lateness of the generator's hub in that second
        ("foreign_cpu_percent", pa.float64()),  # CPU used by neither, of one core
    ]
)


Value = str | int | float | bool | None
Manifest = dict[str, dict[str, Value]]
"""A run's environment: section -> key -> value."""


TLS = "tls"
"""In the variant of a cell: its clients came by https and wss, other than the run's others."""


class Phase:
    """Values of the `phase` columns."""

    WARM_UP = 0
    MEASURED = 1


class Validity(StrEnum):
    """How far a cell can be believed, from the best to the worst; the rules are in `loadtests.run.validity`."""

    VALID = "valid"
    DOUBTFUL = "doubtful"
    INVALID = "invalid"


FROM_THE_BEST = tuple(Validity)


class Verdict(msgspec.Struct, frozen=True):
    """A cell's validity and every reason against it, in plain words with the value and the limit.

    What is `noted` is beyond a limit too, and no doubt: the study of the gates found that it moves nothing.
    """

    validity: Validity
    reasons: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()


class Counts(msgspec.Struct, frozen=True):
    """Deliveries of the measured phase, against what is owed.

    Owed is every publication at every subscriber of its room, unless an error answered it: what the server left without
    an answer is owed too. In runs of earlier versions `refused` holds what was never answered, not owed.
    """

    published: int  # acknowledged publications
    refused: int  # publications answered by an error
    expected: int  # (published + unanswered) x subscribers of the room
    received: int  # distinct deliveries of those
    lost: int  # expected and never received
    duplicates: int
    out_of_order: int
    told_gaps: int  # resync events and 4409 closes
    reconnects: int
    unanswered: int = 0  # publications without any answer when the grace ended
    lost_unanswered: int = 0  # of `lost`: deliveries of publications that were never answered
    until_ns: int | None = None  # CLOCK_MONOTONIC at the grace's end: what is missing is at least that late
    lost_to_cuts: int = 0  # of `lost`: published while a planned cut kept the subscriber away, which does not resume

    @property
    def reach(self) -> float:
        """Received over expected; NaN where nothing was expected."""
        return self.received / self.expected if self.expected else float("nan")


class Costs(msgspec.Struct, frozen=True):
    """What the cell cost; None where it could not be measured here."""

    server_cpu_us_per_delivery: float | None = None
    generator_cpu_us_per_delivery: float | None = None
    wire_bytes_down_per_delivery: float | None = None  # payload of TCP: TCP_INFO of subscribers, received / deliveries
    wire_bytes_up_per_delivery: float | None = None
    packets_per_delivery: float | None = None  # segments in and out / deliveries
    server_kib_per_connection: float | None = None  # RSS grown / connections (memory cells only)
    kernel_kib_per_connection: float | None = None
    connect_ms_p50: float | None = None  # TCP connect to `welcome` / first poll answer
    connect_ms_p99: float | None = None
    ip_bytes_down_per_delivery: float | None = None  # on the wire: that payload, and headers of IP and TCP
    ip_bytes_up_per_delivery: float | None = None
    acks_per_delivery: float | None = None  # of the packets, those without data


class Instrument(msgspec.Struct, frozen=True):
    """How well the generator itself did; the validity rules read it. None where there is nothing to say it from."""

    clock: str  # "kernel", "user", or "page": performance.now() of a browser
    rx_gap_ms_p99: float | None  # user_rx - kernel_rx
    batched_fraction: float | None  # push deliveries that shared a read with another of the same socket
    publish_lateness_ms_p99: float | None  # sent - scheduled
    hub_lag_ms_p99: float | None
    cpu_percent: float | None  # mean of the measured phase, of one core
    foreign_cpu_percent: float | None
    rx_gap_ms_min: float | None = None  # the least user_rx - kernel_rx: below 0 a clock was wrong
    transit_ms_min: float | None = None  # the least kernel_rx (else user_rx) - sent, likewise
    clock_steps: int = 0  # how often the wall clock, which kernel stamps are of, was stepped in the measured phase
    strangers: int = 0  # deliveries of the measured phase without latency: another clock stamped their publication
    clock_uncertainty_ms: float | None = None  # of one-way latencies between synchronised clocks; None: one clock


class WorkerClock(msgspec.Struct, frozen=True):
    """What an exchange over the run showed of a worker's monotonic clock; None where no offset could be stated."""

    worker: str
    offset_ms: float | None = None  # of the master's clock to it, in the middle of the run
    drift_ppm: float | None = None  # how much faster the master's goes
    drift_uncertainty_ppm: float | None = None
    uncertainty_ms: float | None = None  # of the offset, at worst in the run


class Pressure(msgspec.Struct, frozen=True):
    """What server and generator got of the processor in the measured phase, in per cent of it; None: not known here."""

    server_cpu_percent: float | None = None  # of one core
    server_waiting_percent: float | None = None  # in the run queue: ready, and no core was free
    server_held_percent: float | None = None  # what of a core the server was held to; None: it was not
    server_throttled_percent: float | None = None  # kept from running because it had used that
    generator_waiting_percent: float | None = None  # in the run queue, all its processes
    server_cores: int = 1  # that the server's processes may run on


class LinkCheck(msgspec.Struct, frozen=True):
    """An emulated link as it was asked for and as probes just before the cell found it."""

    mechanism: str  # "netem", "tun" (shuttle between namespaces) or "relay"
    asked_rtt_ms: float
    asked_jitter_ms: float
    asked_loss_percent: float  # of each direction
    probes: int
    answered: int
    rtt_ms_min: float | None  # None: no probe came back
    rtt_ms_p50: float | None
    rtt_ms_p99: float | None

    @property
    def one_way_error_ms(self) -> float | None:
        """How much longer than asked one direction takes: half of the median round trip's excess."""
        return None if self.rtt_ms_p50 is None else (self.rtt_ms_p50 - self.asked_rtt_ms) / 2


class Cell(msgspec.Struct, frozen=True):
    """One measurement: one transport under one load, in one block."""

    id: str  # "<block>-<transport>-<load>", unique in the run
    transport: str  # registry name, or an adapter's name
    load: str  # the load's name, e.g. "50x10": the key by which cells are compared
    kind: str  # "latency", "fan-out", "memory", …: which chart it belongs to
    block: int
    order: int  # position in the run's randomised sequence
    subscribers: int
    publishers: int
    rooms: int
    rate_per_s: float  # publications per second and room
    payload_bytes: int
    warm_up_s: float
    measured_s: float
    link: str  # "loopback", or the link's specification
    verdict: Verdict
    counts: Counts | None = None  # None: the cell never got that far
    costs: Costs | None = None
    instrument: Instrument | None = None
    server: dict[str, str | int | float | bool] = {}  # what it said of itself: tcp_nodelay, deflate, sink, …
    started_utc: str = ""
    arrivals: str = "constant"  # the load's, as `records.cell_spec.Load` has them
    direction: str = "downstream"
    variant: str = ""  # the server's settings beside the run's, e.g. "coalesce=20ms"
    against: str = ""  # cells of the kind "ablation": the load's name of which this one changes one thing
    link_check: LinkCheck | None = None  # None: the loopback
    poll_interval_s: float | None = None  # the load's; None: the run's setting, in runs of before there was the field
    poll_wait_s: float | None = None  # likewise
    errors: dict[str, int] = {}  # why connections were cut or refused and publications not taken: text -> how often
    cuts: Cuts | None = None  # None: no subscriber was to be cut
    clocks: tuple[WorkerClock, ...] = ()  # of workers whose clock is not the master's
    pressure: Pressure | None = None  # None: in runs of before it was looked at
    failed: str = ""  # "server", "generator" or "link", whichever ended or could not be had: there are no counts


class Run(msgspec.Struct, frozen=True):
    """`run.json`."""

    schema_version: int
    run_id: str
    scenario: str  # "compare", "fan-out", …
    complete: bool
    started_utc: str
    elapsed_s: float
    planned_cells: int
    manifest: Manifest
    protected: tuple[str, ...]  # manifest keys ("section.key") that must agree for two runs to be combined
    claims: dict[str, float]  # the guide's claimed latency in ms, by transport
    cells: tuple[Cell, ...] = ()
    note: str = ""  # why it is incomplete, in words
    calibration: tuple[Check, ...] = ()  # what the short calibration before the first cell found; empty: none was made
