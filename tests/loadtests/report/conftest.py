"""One sweep for all tests of what is read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.report.study import Study, study
from tests.loadtests.report.sweep import make_sweep

CPU_US = {"websocket": 30.0, "longpoll": 50.0, "shortpoll": 15.0}


@pytest.fixture(scope="package")
def sweep_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    make_sweep(folder, CPU_US)
    return folder


@pytest.fixture(scope="package")
def swept(sweep_dir: Path) -> Study:
    return study(sweep_dir)
