"""What TLS adds: each cell that only adds it, beside the cell of the same load without, and idle connections by loop.

The model of the bytes: TLS 1.3 sends a delivery as one record more, whose header, type and tag are 22 bytes (RFC 8446,
section 5.2; AES-GCM and ChaCha20-Poly1305 alike).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtests.records.repeats import believed
from loadtests.records.schema import TLS, Cell, Validity
from loadtests.report import kept
from loadtests.report.charts.tls import Bars, paired_bars
from loadtests.report.condition import Cost, memory_kib, value_of
from loadtests.report.field import Part
from loadtests.report.palette import rank
from loadtests.report.quantity import digits, span
from loadtests.report.study import Study
from loadtests.report.variants import Pair, over_tls

RECORD_BYTES = 22
_LOOP = "loop="


@dataclass(frozen=True, slots=True)
class Held:
    """Server memory of an idle connection over TLS, in KiB, on one event loop."""

    transport: str
    loop: str
    plain: Cost | None  # without TLS, on the loop that a server takes by itself
    tls: Cost


@dataclass(frozen=True, slots=True)
class Added:
    """All that a run holds of what TLS adds."""

    pairs: tuple[Pair, ...]
    memory: tuple[Held, ...]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.pairs or self.memory)

    def bytes_added(self, pair: Pair) -> float | None:
        """Return how many bytes more of payload a delivery takes; None where either cell is invalid.

        A generator that is held up polls late: its answers hold several deliveries, and the bytes of each are fewer.
        """
        if not pair.comparable:
            return None
        return _difference(value_of(pair.plain.costs.bytes_down), value_of(pair.other.costs.bytes_down))

    def residual_bytes(self, pair: Pair) -> float | None:
        """Return by how much that differs from a record for each delivery."""
        return _difference(RECORD_BYTES, self.bytes_added(pair))


def part(own: Study, _: Path) -> Part | None:
    """Return the report's part, of the run that is kept where no cell of this one only adds TLS; None without any."""
    study, added = own, _added(own)
    if not added and (other := kept.of("tls")) is not None:
        study, added = other, _added(other)
    if not added:
        return None
    return Part(
        slug="tls",
        heading="What TLS adds",
        sentence=_sentence(added),
        draw=partial(paired_bars, study, _bars(added)),
        reading=(
            "Pale: without TLS; full: over TLS, in the same run and under the same load; hollow: a cell is invalid. "
            f"Dotted, in the panel of bytes: the model, a record of {RECORD_BYTES} bytes around each delivery. KiB: of "
            "an idle connection, when all were opened at once."
        ),
        template="tls.html.j2",
        found=added,
        origin="" if study is own else kept.origin(study.run),
    )


def _added(study: Study) -> Added:
    return Added(tuple(over_tls(study)), tuple(_memory(study)))


def _memory(study: Study) -> list[Held]:
    grouped: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.run.cells:
        variant = cell.variant.split(",")
        if cell.kind == "memory" and TLS in variant and cell.verdict.validity is not Validity.INVALID:
            loop = next((part.removeprefix(_LOOP) for part in variant if part.startswith(_LOOP)), _own_loop(study))
            grouped.setdefault((cell.transport, loop), []).append(cell)
    ordered = sorted(grouped, key=lambda key: (rank(key[0]), key[1] == "asyncio"))
    found = {key: memory_kib(believed(grouped[key])) for key in ordered}
    return [Held(name, loop, study.memory.get(name), kib) for (name, loop), kib in found.items() if kib is not None]


def _own_loop(study: Study) -> str:
    """Return the loop that a server takes by itself: uvloop where it is installed."""
    return "uvloop" if study.run.manifest.get("versions", {}).get("uvloop") else "asyncio"


def _sentence(added: Added) -> str:
    """Say what TLS adds, and what to size a server by."""
    said = [words for words in (_of_deliveries(added), _of_connections(added.memory)) if words]
    if not said:
        return "What TLS adds cannot be said: no cell over TLS can be compared with one without."
    by_loop = {loop: [h.tls.value for h in added.memory if h.loop == loop] for loop in ("uvloop", "asyncio")}
    if min(by_loop["asyncio"], default=0.0) > max(by_loop["uvloop"], default=math.inf):
        advice = f": run it on uvloop, since asyncio's own loop keeps {_spread(by_loop['asyncio'])} KiB"
    else:
        advice = ": size the server's memory by its connections" if added.memory else ""
    return f"Over TLS {', and '.join(said)}{advice}."


def _of_deliveries(added: Added) -> str:
    ratios = [pair.cpu_ratio for pair in added.pairs if pair.cpu_ratio]
    more = [found for pair in added.pairs if (found := added.bytes_added(pair)) is not None]
    parts = [f"{_spread(ratios)} times the server's CPU"] if ratios else []
    parts += [f"{_spread(more)} bytes more"] if more else []
    return f"a delivery takes {' and '.join(parts)}" if parts else ""


def _of_connections(memory: Sequence[Held]) -> str:
    held = [each for each in memory if each.loop == "uvloop"] or memory
    if not held:
        return ""
    before = [each.plain.value for each in held if each.plain is not None]
    instead = f" in place of {_spread(before)}" if before else ""
    return f"an idle connection keeps {_spread([each.tls.value for each in held])} KiB on {held[0].loop}{instead}"


def _bars(added: Added) -> Mapping[str, Sequence[Bars]]:
    fields = {
        "server CPU\nµs per delivery": ("server_cpu_us", 0),
        "payload\nbytes per delivery": ("bytes_down", RECORD_BYTES),
    }
    panels = {
        heading: [
            Bars(
                pair.transport,
                "",
                before,
                after,
                RECORD_BYTES + before if name == "bytes_down" else None,
                pair.comparable,
            )
            for pair in added.pairs
            if (before := value_of(getattr(pair.plain.costs, name))) is not None
            and (after := value_of(getattr(pair.other.costs, name))) is not None
        ]
        for heading, (name, record) in fields.items()
    }
    own = added.memory[0].loop if added.memory else ""
    panels["memory\nKiB per connection"] = [
        Bars(held.transport, "" if held.loop == own else held.loop, value_of(held.plain), held.tls.value)
        for held in added.memory
    ]
    return panels


def _spread(values: Sequence[float]) -> str:
    return digits(values[0]) if len(values) == 1 else span(min(values), max(values))


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
