"""What may stand in an entry of dataset_info.json, from the source of ``data/parser.py``."""

from __future__ import annotations

import ast

import msgspec

from millhand.llamafactory.source import Source, assigned, plain


class EntryRules(msgspec.Struct, frozen=True):
    """The keys of an entry, the members of its ``columns`` and ``tags``, formats and file endings."""

    sources: tuple[str, ...]
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    tags: tuple[str, ...]
    formats: tuple[str, ...]
    endings: dict[str, str]


def read_entry_rules(source: Source) -> EntryRules:
    """The rules of the entries, as ``DatasetAttr.join`` and ``get_dataset_list`` have them."""
    tree = source.parse("data/parser.py")
    join = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "join")
    return EntryRules(
        sources=tuple(sorted(_sources(tree))),
        keys=tuple(sorted(_set_keys(join))),
        columns=_listed(join, "column_names"),
        tags=_listed(join, "tag_names"),
        formats=_converters(source.parse("data/converter.py")),
        endings=assigned(source.parse("extras/constants.py"), "FILEEXT2TYPE"),
    )


def _sources(tree: ast.Module) -> set[str]:
    """The keys that name where rows lie: those read as ``dataset_info[name]["key"]``."""
    return {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        and ast.unparse(node.value) == "dataset_info[name]"
    }


def _set_keys(join: ast.FunctionDef) -> set[str]:
    found = {"columns", "tags"}
    for node in ast.walk(join):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.set_attr":
            key = node.args[0]
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found.add(key.value)
    return found


def _listed(join: ast.FunctionDef, name: str) -> tuple[str, ...]:
    """The texts of ``name = [...]`` and of each ``name += [...]``."""
    found: list[str] = []
    for node in ast.walk(join):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AugAssign) and ast.unparse(target or node) == name:
            found += plain(node.value)
    return tuple(sorted(found))


def _converters(tree: ast.Module) -> tuple[str, ...]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DATASET_CONVERTERS":
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            return tuple(sorted(plain(key) for key in keys if key))
    return ()
