"""A notebook run in this process, cell by cell: what a kernel would show, without the time that it takes to start."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from loadtests.report.notebooks import RUN_VARIABLE


def play(source: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a percent-format script in its folder over a run; return the value of each code cell's last expression."""
    monkeypatch.setenv(RUN_VARIABLE, str(run_dir))
    names: dict[str, Any] = {}
    shown = []
    for cell in re.split(r"^# %%", source.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        kind, _, code = cell.partition("\n")
        if "[markdown]" in kind:
            continue
        tree = ast.parse(code, str(source))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(source), "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), str(source), "eval"), names))
    return shown
