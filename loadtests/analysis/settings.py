"""The few settings of a run that the model needs, read from its manifest."""

from __future__ import annotations

from loadtests.runs.schema import Run
from loadtests.scenarios.spec import Load

_DEFAULT_POLL_INTERVAL_S = Load(name="", subscribers=0, rate_per_s=0.0).poll_interval_s


def poll_interval_ms(run: Run) -> float:
    """Return the grid of short polling in ms: the manifest's `settings.poll_interval_s`, else the lab's default."""
    value = run.manifest.get("settings", {}).get("poll_interval_s")
    return 1e3 * (float(value) if isinstance(value, int | float) and value > 0 else _DEFAULT_POLL_INTERVAL_S)
