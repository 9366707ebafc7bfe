"""Exports hold what the study holds, in the formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loadtests.report import export, priced
from loadtests.report.study import Study, study
from tests.loadtests.report import synthetic


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {name: synthetic.TRUTHS[name] for name in ("websocket", "longpoll")}
    doubtful = {"0-longpoll-50x10": 'others used "a lot"'}
    synthetic.make_run(
        folder,
        synthetic.Plan(truths=truths, loads=(("50x10", 50, 10.0),), blocks=2, measured_s=2.0, doubtful=doubtful),
    )
    return study(folder)


def test_json_has_a_record_for_each_condition_and_each_memory(measured: Study) -> None:
    content = json.loads(export.as_json(measured))
    assert (content["format"], content["version"], content["complete"]) == ("rtlab-results", 1, True)
    assert content["git_commit"] == "0123456789abcdef"
    found = {(record["transport"], record["load"], record["kind"]): record for record in content["results"]}
    assert len(found) == len(content["results"]) == len(measured.results) + 2
    record, result = found["websocket", "50x10", "latency"], measured.tabled[0]
    assert result.p50 is not None
    assert record["p50_ms"] == result.percentiles.p50_ms
    assert (record["p50_ms_low"], record["p50_ms_high"]) == (result.p50.low_ms, result.p50.high_ms)
    assert record["p999_ms"] is None
    assert (record["received"], record["expected"], record["reach_percent"]) == (2000, 2000, 100.0)
    assert found["longpoll", "50x10", "latency"]["validity"] == "doubtful"
    cpu = result.costs.server_cpu_us
    assert cpu is not None
    assert record["server_cpu_us_low"] < cpu.value < record["server_cpu_us_high"]
    assert (record["variant"], record["poll_interval_s"]) == ("", 1.0)
    assert record["cost_per_million"] == priced.per_million(result.costs)
    assert record["cost_prices"] == "us-large"
    assert found["websocket", "idle-400", "memory"]["memory_kib"] == measured.memory["websocket"].value


def test_csv_says_the_same_as_json(measured: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(export.as_csv(measured))))
    records = json.loads(export.as_json(measured))["results"]
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        assert row.pop("run_id") == measured.run.run_id
        assert {name: text for name, text in row.items() if text} == {
            name: str(value) for name, value in record.items() if value not in (None, "")
        }


def test_openmetrics_is_read_by_its_own_parser(measured: Study) -> None:
    parsed = text_string_to_metric_families(export.as_openmetrics(measured))  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    latency = {
        (sample.labels["transport"], sample.labels["load"], sample.labels["quantile"]): sample.value
        for sample in families["rtlab_result_delivery_latency_seconds"].samples
    }
    p50_ms = measured.tabled[0].percentiles.p50_ms
    assert p50_ms is not None
    assert latency["websocket", "50x10", "0.5"] == pytest.approx(p50_ms / 1e3)
    assert ("websocket", "50x10", "0.999") not in latency
    reach = families["rtlab_result_reach_ratio"].samples
    assert {sample.value for sample in reach} == {1.0}
    assert {sample.labels["run"] for sample in reach} == {measured.run.run_id}
    assert len(families["rtlab_result_connection_memory_bytes"].samples) == 2


def test_both_files_are_written_beside_the_run(measured: Study, tmp_path: Path) -> None:
    as_json, as_csv = export.write(tmp_path, measured)
    assert as_json.read_text() == export.as_json(measured)
    assert as_csv.read_bytes().decode() == export.as_csv(measured)
