"""The Python source of an installed package or of a wheel, found and read without importing it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.errors import UsageError

# Where each package says its own version (llamafactory/extras/env.py, transformers/__init__.py).
_VERSION_IN = {"llamafactory": ("extras/env.py", "VERSION"), "transformers": ("__init__.py", "__version__")}


@dataclass(frozen=True, slots=True)
class Source:
    """A package's source: a folder of its modules, or a wheel that holds one."""

    package: str
    root: Path

    def parse(self, path: str) -> ast.Module:
        """The syntax tree of the module at ``path`` within the package.

        Raises:
            UsageError: There is no such module, so this is another package or another layout.
        """
        try:
            return ast.parse(self._read(path))
        except (KeyError, OSError) as error:
            raise UsageError(f"{self.root} holds no {self.package}/{path}.") from error

    @property
    def version(self) -> str:
        """The version that the package's own source states."""
        path, name = _VERSION_IN[self.package]
        return str(assigned(self.parse(path), name))

    def _read(self, path: str) -> bytes:
        if self.root.is_dir():
            return (self.root / path).read_bytes()
        import zipfile

        with zipfile.ZipFile(self.root) as wheel:
            return wheel.read(f"{self.package}/{path}")


def find_source(package: str) -> Source | None:
    """The source of an installed package; None where it is not installed. Imports nothing."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return Source(package, Path(folders[0])) if folders else None


def assigned(tree: ast.Module, name: str) -> Any:
    """The value of ``name = ...`` at the top of a module, where it is written out."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return plain(node.value)
    raise UsageError(f"The source assigns no {name}.")


def calls(tree: ast.Module, name: str) -> Iterator[dict[str, ast.expr]]:
    """The keyword arguments of each call ``name(key=...)`` that stands by itself at the top of a module."""
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
            yield {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def enums(tree: ast.Module) -> dict[str, dict[str, str]]:
    """The enumerations of texts of a module: class name -> member -> value."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            found[node.name] = dict(_members(node))
    return found


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            value = plain(item.value)
            if isinstance(value, str):
                yield item.targets[0].id, value


class NotPlainError(ValueError):
    """An expression whose value is only known at run time."""


def plain(node: ast.expr, known: Mapping[str, Mapping[str, str]] | None = None) -> Any:
    """The value of an expression that is written out: literals, ``768 * 768``, ``list()``, ``Enum.MEMBER``.

    Raises:
        NotPlainError: It is none of these.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        members = (known or {}).get(node.value.id, {})
        if node.attr in members:
            return members[node.attr]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return plain(node.left, known) * plain(node.right, known)
    if isinstance(node, ast.Call) and ast.unparse(node) == "list()":
        return []
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise NotPlainError(ast.unparse(node)) from None
