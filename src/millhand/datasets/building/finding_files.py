"""The files that a recipe's source names: below the workspace, in an order that holds on every system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PureWindowsPath

from millhand.datasets.built import OURS
from millhand.datasets.recipe import RecipeSource
from millhand.documents.read import readable_files
from millhand.errors import Finding, FindingsError
from millhand.text.normal import nfc
from millhand.workspace import CONFIGS, MODELS, OUTPUTS, PODS, REGISTRY

_GLOB = "*?["
# What builds and their reports write: never a source of one.
_MADE = {*OURS, "report.html", "corrections.jsonl", "dataset.yaml", "dataset_info.json", "rejected.jsonl"}
_NO_SOURCES = (CONFIGS, PODS, OUTPUTS, MODELS)


def files_of(root: Path, source: RecipeSource) -> list[Path]:
    """The files that a source names, each once, in the order of their names.

    A folder stands for the files in it that a reader knows, less what Millhand itself writes.

    Raises:
        FindingsError: It names a place outside of the workspace ``root``, or cannot be read as a pattern.
    """
    _check(source.path)
    try:
        named = list(_named(root, source.path))
    except ValueError as error:
        raise FindingsError([_fault(f"{source.path} is no pattern: {error}", _PATTERNS)]) from error
    files = [*(path for path in named if path.is_file()), *_inside(root, named)]
    top = root.resolve()
    if not all(path.resolve().is_relative_to(top) for path in files):
        raise FindingsError([_outside(source.path)])
    return list(dict.fromkeys(files))


_PATTERNS = "Write `docs/*.pdf`, or `docs/**/*.pdf` for the folders below too."


def _check(path: str) -> None:
    if not path.strip():
        raise FindingsError([_fault("a source has an empty path", "Name a file, a folder or a pattern.")])
    if "\\" in path:
        raise FindingsError([_fault(f"{path} has backslashes", f"Write `{path.replace(chr(92), '/')}`.")])
    windows = PureWindowsPath(path)
    if windows.drive or windows.root or ".." in windows.parts:
        raise FindingsError([_outside(path)])


def _named(root: Path, path: str) -> Iterator[Path]:
    here = _there(root, Path(path).parts)
    if here is not None:
        yield here
    elif any(sign in path for sign in _GLOB):
        yield from sorted(found for found in root.glob(path) if not _is_hidden(root, found))


def _there(root: Path, parts: Iterable[str]) -> Path | None:
    """The place of that name; a Mac's decomposed Hangul and a keyboard's composed are the same."""
    here = root
    for part in parts:
        exact = here / part
        if exact.exists():
            here = exact
            continue
        same = (path for path in here.iterdir() if nfc(path.name) == nfc(part)) if here.is_dir() else iter(())
        found = next(same, None)
        if found is None:
            return None
        here = found
    return here


def _inside(root: Path, named: Iterable[Path]) -> Iterator[Path]:
    folders = [path for path in named if path.is_dir()]
    for path in readable_files(folders):
        if not _is_hidden(root, path) and not _is_made(root, path):
            yield path


def _is_hidden(root: Path, path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _is_made(root: Path, path: Path) -> bool:
    top, *rest = path.relative_to(root).parts
    return top in _NO_SOURCES or (top == REGISTRY and bool(rest) and rest[-1] in _MADE)


def _outside(path: str) -> Finding:
    return _fault(
        f"{path} lies outside of the workspace",
        "Copy it into the workspace, and name it from there.",
        id_="data.outside-source",
        why="Nobody else could make the dataset again.",
    )


def _fault(
    message: str, mend: str, *, id_: str = "data.broken-source", why: str = "The dataset is made of it."
) -> Finding:
    return Finding(id=id_, severity="error", message=message, file="dataset.yaml", why=why, mend=mend)
