"""Which files a module leans on, from its imports alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from loadtests.evidence.complexity.counts import UnreadableSourceError


class Imports:
    """What the modules of one package import of each other; each file is read once.

    `base` is the folder that holds the package. Imports for type checkers are left out.
    """

    def __init__(self, package: str, base: Path) -> None:
        self._package = package
        self._base = base
        self._known: dict[str, tuple[str, ...]] = {}

    def closure(self, roots: Iterable[str]) -> set[str]:
        """The modules that `roots` import, directly or not, and themselves.

        Raises UnreadableSourceError for a root that is not there.
        """
        found: set[str] = set()
        waiting = list(roots)
        while waiting:
            module = waiting.pop()
            if module in found:
                continue
            found.add(module)
            if module not in self._known:
                self._known[module] = tuple(self._imported(module))
            waiting += self._known[module]
        return found

    def _imported(self, module: str) -> Iterator[str]:
        for node in _run_time_nodes(ast.parse(source_path(module, self._base).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if self._is_ours(alias.name))
            elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
                names = (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
                yield from (name for name in names if self._is_ours(name))

    def _is_ours(self, module: str) -> bool:
        path = self._base.joinpath(*module.split("."))
        is_there = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
        return is_there and module.partition(".")[0] == self._package


def source_path(module: str, base: Path) -> Path:
    """The file of a module. Raises UnreadableSourceError when there is none."""
    path = base.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise UnreadableSourceError(f"no module {module} below {base}")


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_time_nodes(child)
