"""One small study for all tests of verdicts."""

from __future__ import annotations

import pytest

from loadtests.report.study import Study, study
from tests.loadtests.report.synthetic import Plan, make_run

SMALL = Plan(loads=(("20x10", 20, 10.0), ("40x10", 40, 10.0)), fan_out=(("10x10", 10, 10.0),), blocks=2)


@pytest.fixture(scope="package")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("verdicts")
    make_run(folder, SMALL)
    return study(folder)
