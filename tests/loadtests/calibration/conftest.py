"""Trials of the instrument run as they would outside of a test: a traced server or generator is slower than it is."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def untraced_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the processes that a trial starts; other tests measure what they run."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
