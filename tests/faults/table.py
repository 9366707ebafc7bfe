"""The table of what was shown: a bar, what was measured, and whether it was met."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1

Measured = dict[str, int | float | str | bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `scenario` and `variant` name it; `measured` is everything that was counted."""

    scenario: str
    variant: str
    bar: str
    measured: Measured
    passed: bool


@dataclass(frozen=True, slots=True)
class Run:
    """How a scenario is to run: `full` as the table asks for, else a short form of the same."""

    folder: Path
    full: bool
    seed: int = 20_261_122

    def of(self, full: int, quick: int) -> int:
        """A count or a time, by form."""
        return full if self.full else quick

    def sub(self, name: str) -> Path:
        """A folder of its own for a part of the scenario."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


Scenario = Callable[[Run], Coroutine[Any, Any, list[Row]]]


@dataclass(slots=True)
class Table:
    """All rows of a run, and where it ran."""

    form: str
    fanout: str
    redis: str
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write as JSON; the machine is described, not named."""
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        document = {
            "schema": SCHEMA,
            "form": self.form,
            "fanout": self.fanout,
            "commit": commit.stdout.strip(),
            "redis": self.redis,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "seconds": round(self.seconds, 1),
            "passed": all(row.passed for row in self.rows),
            "rows": [asdict(row) for row in self.rows],
        }
        path.write_text(json.dumps(document, indent=1) + "\n")
