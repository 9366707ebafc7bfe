"""A study's figures as data frames, for notebooks and for whoever reads a run with pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from loadtests.report import table
from loadtests.report.bounds import AtLeast
from loadtests.report.claims import title
from loadtests.report.quantity import digits, share, span
from loadtests.report.sentences import contrast
from loadtests.report.study import Study


def guide(study: Study) -> pd.DataFrame:
    """The guide's table: index (load, transport), texts as the report shows them, `verdict` last."""
    rows = [
        {
            "load": row.load,
            "transport": title(row.transport),
            "guide": table.claimed(row),
            "p50 ms": table.with_interval(row.p50),
            "p99 ms": table.with_interval(row.p99),
            "bytes": digits(row.wire_bytes),
            "CPU us": digits(row.server_cpu_us),
            "KiB": digits(row.kib_per_connection),
            "reach": share(row.received, row.expected),
            "validity": str(row.validity),
            "verdict": row.verdict.words,
        }
        for row in table.of(study)
    ]
    return _indexed(rows)


def percentiles(study: Study) -> pd.DataFrame:
    """Percentiles in ms, NaN where not stated: index (load, transport), columns n, p50 … max, first_to_last.

    A column in which only a lower bound is known of any figure holds texts, `>= 5,000` there.
    """
    rows = [
        {
            "load": result.condition.load,
            "transport": title(result.condition.transport),
            "n": result.percentiles.n,
            "p50": result.percentiles.p50_ms,
            "p90": result.percentiles.p90_ms,
            "p99": result.percentiles.p99_ms,
            "p99.9": result.percentiles.p999_ms,
            "max": result.percentiles.max_ms,
            "first_to_last": result.skew_ms_p50,
        }
        for result in study.results
    ]
    frame = _indexed(rows)
    for column in frame.columns:
        values = [row[column] for row in rows]
        if any(isinstance(value, AtLeast) for value in values):
            frame[column] = [digits(value) if isinstance(value, float) else digits(None) for value in values]
    return frame


def contrasts(study: Study) -> pd.DataFrame:
    """Differences of medians: index (load, transport), texts."""
    rows = [
        {
            "load": found.load,
            "transport": title(found.transport),
            "in words": contrast(found),
            "95 % interval": span(found.difference.low_ms, found.difference.high_ms, "ms"),
            "would have shown": f"{digits(found.difference.smallest_detectable_ms)} ms",
        }
        for found in study.contrasts
    ]
    return _indexed(rows)


def costs(study: Study) -> pd.DataFrame:
    """Costs per delivery and connection, NaN where not measured: index (load, transport)."""
    rows = []
    for result in study.results:
        memory = study.memory.get(result.condition.transport)
        found = result.costs
        rows.append(
            {
                "load": result.condition.load,
                "transport": title(result.condition.transport),
                "server CPU us": found.server_cpu_us.value if found.server_cpu_us else None,
                "generator CPU us": found.generator_cpu_us.value if found.generator_cpu_us else None,
                "bytes down": found.bytes_down.value if found.bytes_down else None,
                "bytes up": found.bytes_up.value if found.bytes_up else None,
                "packets": found.packets.value if found.packets else None,
                "connect p50 ms": found.connect_ms_p50.value if found.connect_ms_p50 else None,
                "KiB per connection": memory.value if memory else None,
            }
        )
    return _indexed(rows)


def _indexed(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame()
    return pd.DataFrame(rows).set_index(["load", "transport"])
