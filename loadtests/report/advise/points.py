"""What was measured, as one list of points. They come from the records of `report.export`, whatever run they are of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from loadtests.records.errors import RunError
from loadtests.records.schema import TLS, Validity
from loadtests.report import export
from loadtests.report.model import kind, link_one_way_ms
from loadtests.report.priced import wire_bytes
from loadtests.report.study import Study

FILE = "advise.json"
"""Beside a run: records of runs of the scenario `advise`, each with its `run_id`."""

_USED_KINDS = ("latency", "fan-out", "link", "sweep", "memory", "ablation")
_VARIANTS = ("", TLS)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured condition, as a record of `results.json` has it. None: not measured."""

    run_id: str = ""
    transport: str
    load: str
    link: str
    kind: str
    subscribers: int
    rooms: int
    rate_per_s: float
    payload_bytes: int
    direction: str = "downstream"
    variant: str = ""
    poll_interval_s: float | None = None
    validity: str = Validity.VALID
    p50_ms: float | None = None
    p50_ms_low: float | None = None
    p50_ms_high: float | None = None
    p50_ms_at_least: bool | None = None
    p99_ms: float | None = None
    p99_ms_low: float | None = None
    p99_ms_high: float | None = None
    p99_ms_at_least: bool | None = None
    server_cpu_us: float | None = None
    server_cpu_us_low: float | None = None
    server_cpu_us_high: float | None = None
    bytes_down: float | None = None
    bytes_up: float | None = None
    packets: float | None = None
    ip_bytes_down: float | None = None
    memory_kib: float | None = None

    @property
    def members(self) -> float:
        """Subscribers of a room."""
        return self.subscribers / self.rooms

    @property
    def one_way_ms(self) -> float:
        """The link's delay of one direction."""
        return link_one_way_ms(self.link) or 0.0

    @property
    def tls(self) -> bool:
        """Whether its clients came by TLS."""
        return self.variant == TLS

    @property
    def interval_ms(self) -> float:
        """The grid of short polling."""
        return 1000.0 * (self.poll_interval_s or 1.0)

    @property
    def wire_bytes(self) -> float | None:
        """Bytes down on the wire per delivery; of runs that did not count them, payload and headers of packets."""
        return wire_bytes(self.bytes_down, self.packets, self.ip_bytes_down)

    @property
    def answers(self) -> float:
        """Answers of polls per delivery."""
        return answers(self.transport, self.rate_per_s, self.one_way_ms, self.interval_ms)


def answers(transport: str, rate_per_s: float, one_way_ms: float, interval_ms: float) -> float:
    """Return how many answers of polls a delivery takes by the model: 0 of a push.

    A long poll's answer carries what came in its blind time w, and the message that ends the wait: r w + e^(-r w) (see
    `report.model`). Short polls ask on a grid, whether anything came or not.
    """
    match kind(transport):
        case "long poll":
            arrivals = rate_per_s * 2 * one_way_ms / 1e3
            return 1 / (arrivals + math.exp(-arrivals))
        case "short poll":
            return 1e3 / (rate_per_s * interval_ms)
    return 0.0


def of_records(records: Iterable[Mapping[str, object]], run_id: str) -> tuple[Point, ...]:
    """Keep the records that advice can use: nothing invalid, and no server with settings of its own but TLS."""
    found = (msgspec.convert({"run_id": run_id, **_known(record)}, Point) for record in records)
    return tuple(
        point
        for point in found
        if point.kind in _USED_KINDS
        and min(point.subscribers, point.rooms, point.payload_bytes) > 0
        and point.variant in _VARIANTS
        and point.validity != Validity.INVALID
        and (kind(point.transport) != "short poll" or point.memory_kib is not None or point.poll_interval_s)
    )


def _known(record: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in record.items() if value is not None}


def of_run(study: Study, folder: Path) -> tuple[Point, ...]:
    """Return the points of a run, and of the file beside it. Raises RunError.

    Where the file holds loads of a transport, those alone are taken: runs are not mixed, since a machine differs from
    hour to hour. Memory is the file's too, where it has any.
    """
    own, others = of_records(export.records(study), study.run.run_id), tuple(further(folder / FILE))
    better = {(point.transport, point.memory_kib is None, point.tls) for point in others}
    return (*(p for p in own if (p.transport, p.memory_kib is None, p.tls) not in better), *others)


def further(path: Path) -> Iterator[Point]:
    """Yield the points of the file beside a run; none where there is none. Raises RunError."""
    try:
        content = msgspec.json.decode(path.read_bytes())
        yield from of_records(content["results"], "")
    except FileNotFoundError:
        return
    except (OSError, TypeError, KeyError, msgspec.MsgspecError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def memory_kib(points: Sequence[Point], transport: str, *, tls: bool) -> Point | None:
    """Return the point that says what an idle connection takes; None where there is none."""
    found = [p for p in points if p.transport == transport and p.memory_kib is not None and p.tls is tls]
    return found[-1] if found else None
