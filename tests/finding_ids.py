"""The ids of all findings that the package can print, collected from its source by ``ast``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "millhand"


@dataclass(frozen=True)
class Maker:
    """A function or class that makes findings: which parameter becomes the id, behind ``prefix``.

    ``file`` is the file, or the folder, that calls it; empty where any may.
    """

    name: str
    place: int | None
    parameter: str
    prefix: str = ""
    file: str = ""
    default: str | None = None


@dataclass(frozen=True)
class Call:
    """A call of a maker, and the parameters of the function that it stands in."""

    file: str
    node: ast.Call
    within: ast.FunctionDef | None
    of: Maker


_Site = tuple[str, ast.Call, ast.FunctionDef | None]
_FIRST = (
    Maker("Finding", None, "id"),
    Maker("Rule", 0, "id", file="training/check/"),
    Maker("Fault", 0, "id", prefix="data.", file="datasets/faults.py"),
)


@cache
def finding_ids() -> tuple[dict[str, str], dict[str, str]]:
    """Each id with a place where it is made, and each expression that only a run can tell with its place."""
    called = _called()
    makers = list(_FIRST)
    for maker in makers:  # grows: what calls a maker with a parameter of its own is one
        makers += [m for call in _calls(called, maker) if (m := _wrapper(call)) and m not in makers]
    ids: dict[str, str] = {}
    unread: dict[str, str] = {}
    for maker in makers:
        for call in _calls(called, maker):
            given = _given(call)
            if given is None or _wrapper(call) is not None:
                continue
            where = f"{call.file}:{call.node.lineno}"
            texts = _texts(given)
            unread |= {f"{maker.prefix}{ast.unparse(given)}": where} if texts is None else {}
            ids |= {maker.prefix + text: where for text in texts or ()}
        ids |= {maker.prefix + maker.default: maker.file} if maker.default else {}
    return ids, unread


def _calls(called: Mapping[str, list[_Site]], maker: Maker) -> Iterator[Call]:
    for file, node, within in called.get(maker.name, ()):
        if file.startswith(maker.file):
            yield Call(file, node, within, maker)


def _called() -> dict[str, list[_Site]]:
    """Every call of the package by the name of what is called."""
    found: dict[str, list[_Site]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node, within in _walk(ast.parse(path.read_bytes()), None):
            name = str(getattr(node.func, "attr", "") or getattr(node.func, "id", ""))
            found.setdefault(name, []).append((path.relative_to(SOURCE).as_posix(), node, within))
    return found


def _walk(node: ast.AST, within: ast.FunctionDef | None) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, within
        yield from _walk(child, child if isinstance(child, ast.FunctionDef) else within)


def _given(call: Call) -> ast.expr | None:
    """What a call gives for the id; None where it leaves it to the default."""
    named = next((k.value for k in call.node.keywords if k.arg == call.of.parameter), None)
    place = call.of.place
    return named or (call.node.args[place] if place is not None and place < len(call.node.args) else None)


def _wrapper(call: Call) -> Maker | None:
    """The function around a call where it hands on a parameter of its own."""
    given, prefix = _given(call), ""
    if isinstance(given, ast.JoinedStr) and len(given.values) == 2:
        head, tail = given.values
        if isinstance(head, ast.Constant) and isinstance(tail, ast.FormattedValue):
            given, prefix = tail.value, str(head.value)
    if call.within is None or not isinstance(given, ast.Name):
        return None
    inner = call.within.args
    names = [a.arg for a in (*inner.posonlyargs, *inner.args) if a.arg != "self"]
    only = [a.arg for a in inner.kwonlyargs]
    if given.id not in (*names, *only):
        return None
    own = call.within.name
    return Maker(
        own, names.index(given.id) if given.id in names else None, given.id, call.of.prefix + prefix,
        call.file if own.startswith("_") else "", _default(inner, given.id),
    )  # fmt: skip


def _default(arguments: ast.arguments, name: str) -> str | None:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    found = next((value for argument, value in pairs if argument.arg == name), None)
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def _texts(given: ast.expr) -> list[str] | None:
    """The values that an expression may have: a text, or one of two."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return [given.value]
    if isinstance(given, ast.IfExp):
        parts = [_texts(given.body), _texts(given.orelse)]
        return [text for part in parts for text in part or ()] if None not in parts else None
    if isinstance(given, ast.JoinedStr):
        found = [""]
        for value in given.values:
            texts = _texts(value.value if isinstance(value, ast.FormattedValue) else value)
            if texts is None:
                return None
            found = [head + text for head in found for text in texts]
        return found
    return None
