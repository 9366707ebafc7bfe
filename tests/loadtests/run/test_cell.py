"""What a cell asks of its server, and how long it waits for workers from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec
import pytest

from loadtests.records.cell_spec import Workers
from loadtests.records.schema import Costs
from loadtests.records.store import RunStore
from loadtests.run import cell
from loadtests.run.servers import Server, ServerSettings
from tests.loadtests.records.test_store import cell as measured_cell
from tests.loadtests.records.test_store import new_run
from tests.loadtests.run.test_experiment import make


def measurement(folder: Path, held_percent: float | None = None, workers: Workers | None = None) -> cell._Measurement:
    bench = cell.Bench(settings=ServerSettings(cpu_percent=held_percent), workers=workers)
    (planned,) = make(folder).cells()
    store = RunStore.create(folder, new_run(1))
    return cell._Measurement(planned, bench, store, folder, lambda: None, lambda _: None, None)


@pytest.mark.parametrize(("held_percent", "metrics"), [(None, "metrics"), (20.0, None)])
def test_a_held_server_is_not_asked_for_its_metrics(
    held_percent: float | None, metrics: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[Server]()

    def said(server: Server) -> str:
        asked.append(server)
        return "metrics"

    monkeypatch.setattr(cell, "_metrics", said)
    server = cast("Server", object())
    assert measurement(tmp_path, held_percent)._metrics_of(server)() == metrics
    assert asked == ([] if held_percent else [server])


def test_who_has_to_start_workers_has_time_until_all_were_there(tmp_path: Path) -> None:
    made = measurement(tmp_path, workers=Workers(here=1, elsewhere=1, patience_s=120.0))
    lost = replace(made, store=RunStore.create(tmp_path, new_run(2)))
    lost.store.add(measured_cell("0-a"), {})
    assert (made._patience_s, lost._patience_s) == (120.0, 120.0), "no cell was measured yet"
    made.store.add(msgspec.structs.replace(measured_cell("0-a"), costs=Costs()), {})
    assert (made._patience_s, made._workers) == (0.0, Workers(here=1, elsewhere=1))
