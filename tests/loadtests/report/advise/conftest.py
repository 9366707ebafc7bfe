"""What lies beside a run, as far as advice looks at it: the browser facts, and no boxes, faults or traits."""

from __future__ import annotations

from typing import cast

import pytest

from loadtests.records import facts
from loadtests.report.advise.advice import Basis
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import Evidence
from tests.loadtests.report.advise import planted


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    return Evidence(study=cast(Study, None), support=facts.load())


@pytest.fixture(scope="session")
def found(evidence: Evidence) -> Basis:
    return planted.basis(evidence)
