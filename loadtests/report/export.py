"""A run's figures for other tools: flat records as JSON or CSV, gauges as OpenMetrics text.

`results/README.md` explains every field. One record per condition (transport, load, link), times in ms, None where a
figure could not be had; memory has records of its own, with kind `memory`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from loadtests.records import notes, store
from loadtests.records import prices as files
from loadtests.records.repeats import believed
from loadtests.records.schema import Cell, Validity
from loadtests.report import priced, scatter, theirs
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Cost, Result, memory_kib, validity_of, value_of
from loadtests.report.quantity import AtLeast
from loadtests.report.scatter import Scatter
from loadtests.report.study import Study, ordinary

FORMAT, VERSION = "rtlab-results", 1
JSON_FILE, CSV_FILE = "results.json", "results.csv"

Value = str | int | float | bool | None
Record = dict[str, Value]

# figure of a record -> name of the gauge, what one of it is in the gauge's base unit, what it is
_GAUGES: Mapping[str, tuple[str, float, str]] = {
    "reach_percent": ("rtlab_result_reach_ratio", 0.01, "Deliveries received of those promised."),
    "server_cpu_us": ("rtlab_result_server_cpu_seconds", 1e-6, "Server CPU time per delivery."),
    "bytes_down": ("rtlab_result_received_bytes", 1.0, "Payload of TCP received per delivery."),
    "ip_bytes_down": ("rtlab_result_received_ip_bytes", 1.0, "Bytes of IP packets received per delivery."),
    "ip_bytes_up": ("rtlab_result_sent_ip_bytes", 1.0, "Bytes of IP packets sent per delivery."),
    "packets": ("rtlab_result_packets", 1.0, "Segments in and out per delivery."),
    "connect_ms_p50": ("rtlab_result_connect_seconds", 1e-3, "Median time to connect."),
    "memory_kib": ("rtlab_result_connection_memory_bytes", 1024.0, "Server memory per idle connection."),
}
_QUANTILES = {"p50_ms": "0.5", "p90_ms": "0.9", "p99_ms": "0.99", "p999_ms": "0.999"}
_LATENCY = "rtlab_result_delivery_latency_seconds"
_LOWER_BOUND = "rtlab_result_delivery_latency_lower_bound"
_AT_LEAST = "_at_least"


def write(run_dir: Path, study: Study) -> tuple[Path, Path]:
    """Write `results.json` and `results.csv` into the run folder, each in one step; return their paths."""
    paths = run_dir / JSON_FILE, run_dir / CSV_FILE
    for path, text in zip(paths, (as_json(study), as_csv(study)), strict=True):
        store.write_atomically(path, text.encode())
    return paths


def records(study: Study) -> list[Record]:
    """Return the run's records, as the table orders them; memory last."""
    spread = scatter.of((result.used for result in study.results), scatter.server_cpu)
    found = (*(_record(result, spread) for result in study.results), *_memory(study))
    return [record | _who(study, record) for record in found]


def _who(study: Study, record: Record) -> Record:
    """Return whose row a record is of, and what is known of a server that is not ours."""
    server = theirs.servers(study.run).get(str(record["transport"]))
    if server is None:
        return {"whose": theirs.OURS}
    known = {"protocol": server.protocol, "runs": server.runs, "program": server.program, "version": server.version}
    return {"whose": theirs.THEIRS, **{f"server_{name}": said or None for name, said in known.items()}}


def as_json(study: Study) -> str:
    """Return the records with what they belong to, as one JSON object."""
    run = study.run
    content = {
        "format": FORMAT,
        "version": VERSION,
        "run_id": run.run_id,
        "scenario": run.scenario,
        "started_utc": run.started_utc,
        "complete": run.complete,
        "git_commit": run.manifest.get("git", {}).get("commit"),
        "results": records(study),
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"


def as_csv(study: Study) -> str:
    """Return the records as CSV (RFC 4180) with a heading, `run_id` first; an unknown figure is an empty field."""
    rows = [{"run_id": study.run.run_id, **record} for record in records(study)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_openmetrics(study: Study) -> str:
    """Return the figures as gauges in OpenMetrics text 1.0, base units (seconds, bytes, ratios)."""
    found = records(study)
    lines = [f"# TYPE {_LATENCY} gauge", f"# UNIT {_LATENCY} seconds", f"# HELP {_LATENCY} Delivery latency."]
    lines += _quantiles(study, found, "", _LATENCY, 1e-3)
    lines += [f"# TYPE {_LOWER_BOUND} gauge", f"# HELP {_LOWER_BOUND} 1 where only this lower bound is known, else 0."]
    lines += _quantiles(study, found, _AT_LEAST, _LOWER_BOUND, 1.0)
    for field, (name, scale, words) in _GAUGES.items():
        lines += [f"# TYPE {name} gauge", f"# HELP {name} {words}"]
        for record in found:
            lines += _sample(study, record, field, name, scale, {})
    return "\n".join([*lines, "# EOF", ""])


def _quantiles(study: Study, found: Sequence[Record], suffix: str, name: str, scale: float) -> Iterator[str]:
    for record in found:
        for field, quantile in _QUANTILES.items():
            yield from _sample(study, record, field + suffix, name, scale, {"quantile": quantile})


def _sample(
    study: Study, record: Record, field: str, name: str, scale: float, further: Mapping[str, str]
) -> Iterator[str]:
    value = record.get(field)
    if isinstance(value, int | float):
        labels = {
            "run": study.run.run_id,
            **{key: str(record[key]) for key in ("transport", "load", "link")},
            **further,
        }
        named = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"{name}{{{named}}} {value * scale:.9g}"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _record(result: Result, spread: Scatter) -> Record:
    p, costs = result.percentiles, result.costs
    cpu = costs.server_cpu_us
    cpu_low, cpu_high = (spread.interval(cpu.value, cpu.cells) if cpu else None) or (None, None)
    return {
        **_identity(result.cells[0]),
        "poll_interval_s": result.poll_interval_ms / 1e3,
        "validity": str(result.validity),
        "reasons": "; ".join(result.reasons),
        "noted": "; ".join(result.noted),
        "errors": notes.in_words(result.errors),
        "cells": len(result.cells),
        "cells_used": len(result.used),
        "deliveries": p.received,
        **_estimate("p50_ms", result.p50, p.p50_ms),
        **_latency("p90_ms", p.p90_ms),
        **_estimate("p99_ms", result.p99, p.p99_ms),
        **_latency("p999_ms", p.p999_ms),
        **_latency("max_ms", p.max_ms),
        "first_to_last_ms_p50": result.skew_ms_p50,
        "expected": result.total("expected"),
        "received": result.total("received"),
        "reach_percent": result.reach_percent,
        "lost": result.total("lost"),
        "duplicates": result.total("duplicates"),
        "out_of_order": result.total("out_of_order"),
        "refused": result.total("refused"),
        "unanswered": result.total("unanswered"),
        "server_cpu_us": value_of(cpu),
        "server_cpu_us_low": cpu_low,
        "server_cpu_us_high": cpu_high,
        "generator_cpu_us": value_of(costs.generator_cpu_us),
        "cost_per_million": priced.per_million(costs),
        "cost_prices": files.DEFAULT,
        "bytes_down": value_of(costs.bytes_down),
        "bytes_up": value_of(costs.bytes_up),
        "packets": value_of(costs.packets),
        "ip_bytes_down": value_of(costs.ip_bytes_down),
        "ip_bytes_up": value_of(costs.ip_bytes_up),
        "acks": value_of(costs.acks),
        "connect_ms_p50": value_of(costs.connect_ms_p50),
        **_cuts(result),
    }


def _cuts(result: Result) -> Record:
    """Return what planned cuts did to a condition; nothing where there were none."""
    cuts = [cell.cuts for cell in result.used if cell.cuts is not None]
    if not cuts:
        return {}
    return {
        "up_s": cuts[0].disrupt.up_s,
        "offline_s": cuts[0].disrupt.offline_s,
        "resume": cuts[0].resume,
        "lost_to_cuts": result.total("lost_to_cuts"),
        "replayed": sum(each.replayed for each in cuts),
    }


def _memory(study: Study) -> Iterator[Record]:
    idle: dict[str, list[Cell]] = {}
    for cell in study.run.cells:
        if cell.kind == "memory":
            idle.setdefault(cell.transport, []).append(cell)
    for transport, cost in study.memory.items():
        first, *_ = ordinary(idle[transport])
        yield _idle(first, study.memory_validity[transport], cost)
    for cells in idle.values():
        plain = ordinary(cells)
        for load in dict.fromkeys(cell.load for cell in cells if cell not in plain):
            of_load = [cell for cell in cells if cell.load == load]
            if found := memory_kib(believed(of_load)):
                yield _idle(of_load[0], validity_of(of_load), found)


def _idle(cell: Cell, validity: Validity, cost: Cost) -> Record:
    return {**_identity(cell), "validity": str(validity), "cells_used": cost.cells, "memory_kib": cost.value}


def _identity(cell: Cell) -> Record:
    return {
        "transport": cell.transport,
        "load": cell.load,
        "link": cell.link,
        "kind": cell.kind,
        "subscribers": cell.subscribers,
        "rooms": cell.rooms,
        "publishers": cell.publishers,
        "rate_per_s": cell.rate_per_s,
        "payload_bytes": cell.payload_bytes,
        "arrivals": cell.arrivals,
        "direction": cell.direction,
        "variant": cell.variant,
    }


def _estimate(name: str, estimate: Estimate | None, value: float | None) -> Record:
    low, high = (estimate.low_ms, estimate.high_ms) if estimate else (None, None)
    return {**_latency(name, value), **_latency(f"{name}_low", low), **_latency(f"{name}_high", high)}


def _latency(name: str, value: float | None) -> Record:
    """Return a latency and, beside it, whether only this lower bound of it is known."""
    if value is None:
        return {name: None, f"{name}{_AT_LEAST}": None}
    return {name: float(value), f"{name}{_AT_LEAST}": isinstance(value, AtLeast)}
