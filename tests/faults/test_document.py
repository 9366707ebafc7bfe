"""The document shows the results that are in the repository, and they are those of a full run."""

from __future__ import annotations

import json

import pytest

from loadtests.records.errors import RunError
from tests.faults.document import DOCUMENT, RESULTS, render, replaced
from tests.faults.scenarios import SCENARIOS


def test_document_shows_the_reference_results() -> None:
    text = DOCUMENT.read_text()
    assert replaced(text, render(json.loads(RESULTS.read_text()))) == text, "run: python -m tests.faults.document"


def test_reference_results_are_a_full_run_of_every_scenario() -> None:
    document = json.loads(RESULTS.read_text())
    assert document["form"] == "full"
    assert {row["scenario"] for row in document["rows"]} == set(SCENARIOS)


def test_document_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(RunError, match="no place"):
        replaced("text", "table")
