"""Figures that a replay's rows may name, of one transport under one load. None: it could not be had.

From believed cells only; what an invalid one shows is no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from loadtests.records.repeats import believed
from loadtests.records.schema import Run, Validity
from loadtests.report import latency, model
from loadtests.report.condition import Result
from loadtests.report.study import Study
from loadtests.run.replay import Published

_KB_OF_KIB = 1.024


def ours(row: Published, study: Study) -> float | None:
    """Return our figure for a published one."""
    value = _figure(row.figure, row.of, study)
    if row.over:
        divisor = _figure(row.figure, row.over, study)
        return value / divisor if value is not None and divisor else None
    if row.less:
        subtracted = _figure(row.figure, row.less, study)
        return value - subtracted if value is not None and subtracted is not None else None
    return value


def _figure(name: str, place: str, study: Study) -> float | None:
    transport, _, load = place.partition("/")
    if name in _OF_CELLS:
        return _OF_CELLS[name](study.run, transport, load)
    result = next((r for r in study.results if (r.condition.transport, r.condition.load) == (transport, load)), None)
    if result is None or result.validity is Validity.INVALID:
        return None
    return _OF_RESULTS[name](result)


def _lost_percent(result: Result) -> float | None:
    expected = result.total("expected")
    return 100 * result.total("lost") / expected if expected else None


def _percentile_ms(percent: float) -> Callable[[Result], float | None]:
    def read(result: Result) -> float | None:
        ecdf = result.ecdf
        if not len(ecdf.fraction) or ecdf.fraction[-1] < percent / 100 or not latency.can_state(ecdf.n, percent):
            return None
        return float(np.interp(percent / 100, ecdf.fraction, ecdf.latency_ms))

    return read


def _transits(read: Callable[[Result], float | None]) -> Callable[[Result], float | None]:
    def in_transits(result: Result) -> float | None:
        one_way_ms, value = model.link_one_way_ms(result.condition.link), read(result)
        return value / one_way_ms if one_way_ms and value is not None else None

    return in_transits


_OF_RESULTS: Mapping[str, Callable[[Result], float | None]] = {
    "lost_percent": _lost_percent,
    "p50_ms": _percentile_ms(50),
    "p95_ms": _percentile_ms(95),
    "p99_ms": _percentile_ms(99),
    "p50_transits": _transits(_percentile_ms(50)),
    "p99_transits": _transits(_percentile_ms(99)),
}


def _memory_kb(run: Run, transport: str, load: str) -> float | None:
    cells = [cell for cell in run.cells if (cell.transport, cell.load) == (transport, load)]
    found = [
        _KB_OF_KIB * cell.costs.server_kib_per_connection
        for cell in believed(cells)
        if cell.verdict.validity is not Validity.INVALID
        and cell.costs is not None
        and cell.costs.server_kib_per_connection is not None
    ]
    return float(np.median(found)) if found else None


_OF_CELLS: Mapping[str, Callable[[Run, str, str], float | None]] = {"memory_kb": _memory_kb}

NAMES = (*_OF_RESULTS, *_OF_CELLS)
