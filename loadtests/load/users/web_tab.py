"""A tab of Locust's web UI: the lab's table live, and a link to the report of the newest test."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, abort, request, send_file
from locust.env import Environment

from loadtests.load.users.locust_tables import NAME, PUBLISH
from loadtests.load.users.run_report import RunReport

_KEY = "rtlab"
_COLUMNS = {
    "users": "User class",
    "deliveries": "# deliveries (sampled)",
    "p50": "p50 (ms)",
    "p95": "p95 (ms)",
    "p99": "p99 (ms)",
    "publications": "# publications",
    "failed": "# failed publications",
}
_REPORT_PATH = "/rtlab/report"


def add(environment: Environment, report: RunReport) -> None:
    """Add the tab, by what Locust offers to extend its web UI; nothing where the run has none."""
    ui = environment.web_ui
    if ui is None or ui.app is None:
        return
    columns = [{"key": key, "title": title} for key, title in _COLUMNS.items()]
    ui.template_args |= {
        "extended_tabs": [{"title": "Realtime Transport Lab", "key": _KEY}],
        "extended_tables": [{"key": _KEY, "structure": columns}],
        "extended_csv_files": [{"href": _REPORT_PATH, "title": "Realtime Transport Lab: report of the newest test"}],
    }

    def add_rows(response: Response) -> Response:
        if request.path == "/stats/requests":
            shown = {"key": _KEY, "data": rows(environment)}
            response.set_data(json.dumps(json.loads(response.get_data()) | {"extended_stats": [shown]}))
        return response

    def newest() -> Response:
        if report.path is None:
            abort(404, "there is no report yet: it is made when the test has stopped, which takes some seconds")
        return send_file(report.path.absolute())

    ui.app.after_request(add_rows)
    ui.app.add_url_rule(_REPORT_PATH, view_func=newest)


def rows(environment: Environment) -> list[dict[str, Any]]:
    """Return the tab's rows, one for each user class: deliveries as Locust has them, and its publications."""
    entries = environment.stats.entries
    found = []
    for (name, label), entry in sorted(entries.items()):
        if name == NAME:
            percentiles = {f"p{of}": entry.get_response_time_percentile(of / 100) or 0 for of in (50, 95, 99)}
            published = entries.get((PUBLISH, label))
            counted = {
                "publications": published.num_requests if published else 0,
                "failed": published.num_failures if published else 0,
            }
            found.append({"users": label, "deliveries": entry.num_requests, **percentiles, **counted})
    return found
