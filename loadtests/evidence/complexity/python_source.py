"""What is read from Python source by its syntax tree (`ast`): counts, and which files a module leans on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_TWO_WAYS = ast.If | ast.IfExp | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler
_CONSTRUCTORS = {"__init__", "__new__", "__post_init__"}


@dataclass(frozen=True, slots=True)
class Counts:
    """See the package for what each of them means."""

    lines: int
    branches: int
    states: int


class UnreadableSourceError(ValueError):
    """A file is not in the language that its name says, or in a form that these rules do not know."""


def count(source: str, name: str) -> Counts:
    """Count a module. Raises UnreadableSourceError, naming the file, for what is not Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UnreadableSourceError(f"{name}, line {error.lineno}: {error.msg}") from None
    nodes = list(ast.walk(tree))
    statements = sum(isinstance(node, ast.stmt) for node in nodes)
    docstrings = sum(isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None for node in nodes)
    return Counts(statements - docstrings, sum(map(_branches, nodes)), _states(nodes))


def _branches(node: ast.AST) -> int:
    if isinstance(node, _TWO_WAYS):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        catches_all = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None and node.guard is None
        return 0 if catches_all else 1
    return 0


def _states(nodes: list[ast.AST]) -> int:
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    attributes = sum(len(_assigned_later(each)) for each in classes)
    shared = {name for node in nodes if isinstance(node, ast.Nonlocal | ast.Global) for name in node.names}
    return attributes + len(shared)


def _assigned_later(owner: ast.ClassDef) -> set[str]:
    methods = [node for node in owner.body if isinstance(node, _FUNCTION) and node.name not in _CONSTRUCTORS]
    return {
        node.attr
        for method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store | ast.Del)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


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
