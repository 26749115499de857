"""The kinds of models (``model_type``) that transformers has code for, from ``models/auto``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from millhand.errors import UsageError
from millhand.llamafactory.source import Source

# Up to 5.4 the table stood in the first of them; what is added to it still does.
_FILES = ("models/auto/configuration_auto.py", "models/auto/auto_mappings.py")
_TABLE = "CONFIG_MAPPING_NAMES"


def read_model_types(transformers: Source) -> tuple[str, ...]:
    """All of them in order; none where the source is laid out otherwise, so that nothing follows from it."""
    return tuple(sorted({kind for path in _FILES for kind in _in_file(transformers, path)}))


def _in_file(transformers: Source, path: str) -> Iterator[str]:
    try:
        tree = transformers.parse(path)
    except UsageError:
        return
    for node in tree.body:
        if any(isinstance(part, ast.Name) and part.id == _TABLE for part in _target(node)):
            yield from _keys(node)


def _target(node: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to, or calls a method of."""
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AnnAssign):
        return [node.target]
    call = node.value if isinstance(node, ast.Expr) else None
    inner = call.func if isinstance(call, ast.Call) else None
    return [inner.value] if isinstance(inner, ast.Attribute) else []


def _keys(node: ast.stmt) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            yield from (
                k.value for k in part.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
            )
        elif isinstance(part, ast.Tuple) and len(part.elts) == 2:
            first = part.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
