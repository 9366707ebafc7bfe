"""Counts of Python source, from its syntax tree (`ast`)."""

from __future__ import annotations

import ast

from loadtests.evidence.complexity.counts import Counts, UnreadableSourceError

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_TWO_WAYS = ast.If | ast.IfExp | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler
_CONSTRUCTORS = {"__init__", "__new__", "__post_init__"}


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
