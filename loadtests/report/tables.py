"""Figures, links, calibrations and verdicts as data frames, for notebooks and for whoever reads a run with pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from loadtests.records.calibration import Calibration, Comparison
from loadtests.report import frontier, guide_table, priced
from loadtests.report.claims import title
from loadtests.report.condition import value_of
from loadtests.report.links import link_qualities, residuals
from loadtests.report.links import promises as promises_of
from loadtests.report.quantity import UNKNOWN, AtLeast, digits, share, span
from loadtests.report.sentences import contrast
from loadtests.report.study import Study
from loadtests.report.verdicts import columns as table
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.guide import Judged
from loadtests.report.verdicts.table_rules import publications


def guide(study: Study) -> pd.DataFrame:
    """The guide's table: index (load, transport), texts as the report shows them, `verdict` last."""
    rows = [
        {
            "load": row.result.condition.load,
            "transport": title(row.result.condition.transport),
            "guide": guide_table.claimed(row),
            "p50 ms": guide_table.with_interval(row.result.p50),
            "p99 ms": guide_table.with_interval(row.result.p99),
            "bytes": digits(value_of(row.result.costs.bytes_down)),
            "on the wire": digits(value_of(row.result.costs.ip_bytes_down)),
            "CPU us": digits(value_of(row.result.costs.server_cpu_us)),
            "KiB": digits(row.kib_per_connection),
            f"{priced.default().currency} a million": digits(row.per_million),
            "reach": share(row.result.total("received"), row.result.total("expected")),
            "validity": str(row.result.validity),
            "verdict": row.result.claim.words,
        }
        for row in guide_table.of(study)
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


def spoilt(study: Study) -> pd.DataFrame:
    """Cells with a reason against them: index cell, texts."""
    rows = [
        {"cell": cell.id, "validity": str(cell.verdict.validity), "reasons": "; ".join(cell.verdict.reasons)}
        for cell in study.run.cells
        if cell.verdict.reasons
    ]
    return _indexed(rows, "cell")


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
    rows = [
        {
            "load": result.condition.load,
            "transport": title(result.condition.transport),
            "server CPU us": value_of(result.costs.server_cpu_us),
            "generator CPU us": value_of(result.costs.generator_cpu_us),
            "bytes down": value_of(result.costs.bytes_down),
            "bytes up": value_of(result.costs.bytes_up),
            "packets": value_of(result.costs.packets),
            "IP bytes down": value_of(result.costs.ip_bytes_down),
            "IP bytes up": value_of(result.costs.ip_bytes_up),
            "ACKs": value_of(result.costs.acks),
            "connect p50 ms": value_of(result.costs.connect_ms_p50),
            "KiB per connection": value_of(study.memory.get(result.condition.transport)),
        }
        for result in study.results
    ]
    return _indexed(rows)


def _indexed(rows: Sequence[Mapping[str, object]], *index: str) -> pd.DataFrame:
    """Return rows under their index, load and transport where none is named; an empty frame without any."""
    return pd.DataFrame(rows).set_index(list(index) or ["load", "transport"]) if rows else pd.DataFrame()


def links(study: Study) -> pd.DataFrame:
    """The links as probed: index link, median round trips (lowest, highest cell) and the highest p99 in ms."""
    rows = [
        {
            "link": found.link,
            "emulated_by": found.mechanism,
            "cells": found.cells,
            "median_low": found.median_low_ms,
            "median_high": found.median_high_ms,
            "p99": found.p99_high_ms,
            "lost": found.lost,
            "probes": found.probes,
        }
        for found in link_qualities(study.run)
    ]
    return _indexed(rows, "link")


def promises(study: Study) -> pd.DataFrame:
    """What theory promises, in ms: index (load, transport), columns promise, theory, measured, least, most, holds."""
    rows = [
        (
            found.condition.load,
            title(found.condition.transport),
            found.words,
            found.expected_ms,
            found.measured_ms,
            found.least_ms,
            found.most_ms,
            found.holds,
        )
        for found in promises_of(study)
    ]
    index, columns = ["load", "transport"], ["promise", "theory", "measured", "least", "most", "holds"]
    return pd.DataFrame(rows, columns=[*index, *columns]).set_index(index)


def residual_causes(study: Study) -> pd.DataFrame:
    """Medians beside the model, in ms: index (load, transport), columns as the fields of `links.Residual`."""
    rows = [
        {
            "load": found.condition.load,
            "transport": title(found.condition.transport),
            "model": found.model_ms,
            "measured": found.measured.value_ms,
            "residual": found.residual_ms,
            "link": found.link_ms,
            "serving": found.serving_ms,
            "left": found.left_ms,
            "cause": found.cause,
        }
        for found in residuals(study)
    ]
    return _indexed(rows)


def cheapest(study: Study) -> pd.DataFrame:
    """The cheapest transport in time, or "nobody": index (budget_ms, rtt_ms), a column for each rate a second."""
    candidates = frontier.candidates(study)
    rows = [
        {
            "budget_ms": budget_ms,
            "rtt_ms": point.rtt_ms,
            "rate_per_s": point.rate_per_s,
            "cheapest": title(point.best.transport) if point.best else "nobody",
        }
        for budget_ms in frontier.BUDGETS_MS
        for point in frontier.points(candidates, budget_ms)
    ]
    if not rows:
        return pd.DataFrame()
    return pd.DataFrame(rows).pivot(index=["budget_ms", "rtt_ms"], columns="rate_per_s", values="cheapest")


def checks(found: Sequence[Calibration]) -> pd.DataFrame:
    """Planted and found: index (transport, planted, figure); planted, what each calibration found, the bound, verdict.

    `within` counts the calibrations that found it within the bound, of those that looked for it.
    """
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    within: dict[tuple[str, str, str], list[bool]] = {}
    for number, each in enumerate((c for c in found if c.checks), start=1):
        for check in each.checks:
            key = title(check.transport), check.fault, f"{check.figure}, {check.unit}" if check.unit else check.figure
            row = rows.setdefault(key, {"truth": check.planted, "at most off by": check.bound})
            row[f"found {number}"] = check.found
            within.setdefault(key, []).append(check.within)
    if not rows:
        return pd.DataFrame()
    names = ["transport", "planted", "figure"]
    frame = pd.DataFrame(rows.values(), index=pd.MultiIndex.from_tuples(rows, names=names))
    frame["at most off by"] = frame.pop("at most off by")  # to the end
    frame["within"] = [f"{sum(each)} of {len(each)}" for each in within.values()]
    return frame


def comparisons(found: Sequence[Comparison]) -> pd.DataFrame:
    """Differences of medians in ms: index name; difference, its 95 % interval, what would have shown, in words."""
    rows = [
        {
            "compared": each.name,
            "difference": each.difference_ms,
            "low": each.low_ms,
            "high": each.high_ms,
            "would have shown": each.smallest_detectable_ms,
            "in words": "indistinguishable" if each.indistinguishable else "different",
        }
        for each in found
    ]
    return _indexed(rows, "compared")


def budgets(study: Study) -> pd.DataFrame:
    """Mean steps in ms of the deliveries around each percentile: index (transport, percentile); latency, then steps."""
    rows = [
        {
            "transport": title(each.result.condition.transport),
            "percentile": f"p{part.percent:g}",
            "latency": part.latency_ms,
            **part.step_ms,
        }
        for each in study.budgets
        for part in each.slices
    ]
    return _indexed(rows, "transport", "percentile")


def verdicts(judged: Iterable[Judged]) -> pd.DataFrame:
    """Index (topic, sentence); columns `verdict` and `condition`, texts."""
    rows = [
        {
            "topic": one.claim.topic,
            "sentence": one.claim.sentence,
            "verdict": str(one.finding.ruling),
            "condition": one.finding.conditional,
        }
        for one in judged
    ]
    return pd.DataFrame(rows).set_index(["topic", "sentence"])


def reasons(judged: Iterable[Judged]) -> pd.DataFrame:
    """Index `sentence`; columns `how it was tested`, `what came out` and `source`, texts."""
    rows = [
        {
            "sentence": one.claim.sentence,
            "how it was tested": one.claim.tested,
            "what came out": one.finding.measured,
            "source": one.finding.source,
        }
        for one in judged
    ]
    return pd.DataFrame(rows).set_index("sentence")


def columns(evidence: Evidence) -> pd.DataFrame:
    """Index `what`, a column per transport, texts; the guide's own word in brackets."""
    transports = [title(transport) for transport in table.transports(evidence)]
    rows = {
        row.name: [f"{entry.found} ({entry.guide})" if entry.guide else entry.found for entry in row.entries]
        for row in table.properties(evidence)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=transports).rename_axis("what")


def support(evidence: Evidence) -> pd.DataFrame:
    """Percent of usage by what is published: index `API`, columns full, partial, none, unknown; empty without facts."""
    apis = evidence.support.apis if evidence.support else ()
    rows = {
        api.title: [api.share.full, api.share.partial, api.share.none, api.share.unknown, api.caniuse_share.full]
        for api in apis
    }
    names = ["full", "partial", "none", "unknown", "full by caniuse alone"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("API")


def sources(evidence: Evidence) -> pd.DataFrame:
    """Which evidence lies beside the run, a dash where none does: index `evidence`, columns `what it is`, `which`."""
    commits = (
        ("faults.json", "servers and Redis killed, peers stalled and cut", evidence.faults),
        ("foil.json", "the guide's own server and ours, looked at for the same faults", evidence.foil),
        ("complexity.json", "our code, counted", evidence.complexity),
        ("traits.json", "what a connection can do, tried out", evidence.traits),
    )
    browsers, links = evidence.browser_run, evidence.links
    rows = (
        ("run.json", "this run", evidence.study.run.run_id),
        *((name, what, f"commit {report.commit}" if report else UNKNOWN) for name, what, report in commits),
        ("browser.json", "browsers examined", browsers.run_id if browsers else UNKNOWN),
        ("links.json", "a run over links", links.run_id if links else UNKNOWN),
        ("cuts.json", "a run whose clients were cut", evidence.cuts.run_id if evidence.cuts else UNKNOWN),
        ("facts.json", "published browser facts", publications(evidence.support) if evidence.support else UNKNOWN),
    )
    return pd.DataFrame(rows, columns=["evidence", "what it is", "which"]).set_index("evidence")
