"""Links, promises of theory, residuals and the map of the cheapest as data frames, for notebooks and for pandas."""

from __future__ import annotations

import pandas as pd

from loadtests.report import frontier, link_claims, link_quality, residuals
from loadtests.report.claims import title
from loadtests.report.study import Study


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
        for found in link_quality.link_qualities(study.run)
    ]
    return pd.DataFrame(rows).set_index("link") if rows else pd.DataFrame()


def promises(study: Study) -> pd.DataFrame:
    """What theory promises, in ms: index (load, transport), columns promise, theory, measured, least, most, holds."""
    rows = [
        (
            found.load,
            title(found.transport),
            found.words,
            found.expected_ms,
            found.measured_ms,
            found.least_ms,
            found.most_ms,
            found.holds,
        )
        for found in link_claims.promises(study)
    ]
    index, columns = ["load", "transport"], ["promise", "theory", "measured", "least", "most", "holds"]
    return pd.DataFrame(rows, columns=[*index, *columns]).set_index(index)


def residual_causes(study: Study) -> pd.DataFrame:
    """Medians beside the model, in ms: index (load, transport), columns as the fields of `residuals.Residual`."""
    rows = [
        {
            "load": found.load,
            "transport": title(found.transport),
            "model": found.model_ms,
            "measured": found.measured_ms,
            "residual": found.residual_ms,
            "link": found.link_ms,
            "serving": found.serving_ms,
            "left": found.left_ms,
            "cause": found.cause,
        }
        for found in residuals.residuals(study)
    ]
    return pd.DataFrame(rows).set_index(["load", "transport"]) if rows else pd.DataFrame()


def cheapest(study: Study) -> pd.DataFrame:
    """Who is the cheapest in time, or "nobody": index (budget_ms, rtt_ms), a column for each rate a second."""
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
