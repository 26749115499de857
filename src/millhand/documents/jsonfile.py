"""JSON: an array streamed element by element, or one object a line; the content tells, not the name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from millhand.documents.header import empty_file
from millhand.documents.rows import SKIP, BadRow, Item, Row, RowFile, shorten
from millhand.errors import Finding, FindingsError
from millhand.text.encoding import Encoding, Utf8Stream, detect_encoding

_PEEKED_ROWS = 100
_BLOCK = 1 << 16


def open_json(path: Path, encoding: str | None = None) -> RowFile:
    """Open a file of JSON objects: an array of them, or one a line.

    Raises:
        FindingsError: It is empty, in another encoding, or neither of the two.
    """
    found = detect_encoding(path, encoding)
    first = _first_sign(path, found)
    if not first:
        raise FindingsError([empty_file(path.name)])
    items = _elements(path, found) if first == b"[" else _lines(path, found)
    peeked = list(islice(items, _PEEKED_ROWS))
    if first != b"[" and peeked and isinstance(peeked[0], BadRow):
        _refuse_one_object(path, found, first)
    return RowFile(path.name, "objects", peeked_columns(peeked), chain(peeked, items), encoding=found.codec)


def peeked_columns(items: list[Item]) -> tuple[str, ...]:
    """The names that the first rows have, in the order in which they turn up."""
    return tuple(dict.fromkeys(name for item in items if isinstance(item, Row) for name in item.values))


def _first_sign(path: Path, encoding: Encoding) -> bytes:
    with Utf8Stream(path, encoding) as stream:
        while block := stream.read(_BLOCK):
            if block.strip():
                return block.strip()[:1]
    return b""


def _lines(path: Path, encoding: Encoding) -> Iterator[Item]:
    import orjson

    with Utf8Stream(path, encoding) as stream:
        for number, line in enumerate(stream, 1):
            try:
                values = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if line.strip():
                    yield _bad_line(path.name, number, line, f"is not JSON: {error}")
                continue
            if type(values) is dict:
                yield Row(number, values)
            else:
                yield _bad_line(path.name, number, line, f"is no object but {_kind(values)}")


def _bad_line(file: str, number: int, line: bytes, what: str) -> BadRow:
    text = line.decode("utf-8", errors="replace").rstrip("\n")
    finding = Finding(
        id="data.broken-row",
        severity="error",
        message=f"{what} ({shorten(text)!r})",
        file=file,
        row=number,
        why="Each line must be one whole JSON object; LLaMA-Factory fails on the first that is not.",
        mend=f"Mend line {number:,} in an editor, {SKIP}",
    )
    return BadRow(number, text, finding)


def _elements(path: Path, encoding: Encoding) -> Iterator[Item]:
    import ijson

    number = 0
    with Utf8Stream(path, encoding) as stream:
        try:
            for number, value in enumerate(ijson.items(stream, "item", use_float=True), 1):
                if isinstance(value, dict):
                    yield Row(number, value)
                else:
                    yield BadRow(number, shorten(str(value), 500), _no_object(path.name, number, value))
        except ijson.JSONError as error:
            raise FindingsError([_broken_array(path.name, number + 1, error)]) from error


def _no_object(file: str, number: int, value: Any) -> Finding:
    return Finding(
        id="data.broken-row",
        severity="error",
        message=f"the element is no object but {_kind(value)} ({shorten(str(value))!r})",
        file=file,
        row=number,
        why="A row is an object with a name for each of its texts.",
        mend=f"Make it an object, {SKIP}",
    )


def _broken_array(file: str, number: int, error: Exception) -> Finding:
    first = str(error).strip().splitlines()[0] if str(error).strip() else "it ends too early"
    return Finding(
        id="data.broken-json",
        severity="error",
        message=f"the JSON breaks off in or after element {number:,}: {first}",
        file=file,
        row=number,
        why="What comes after the break cannot be read, so the whole file is refused.",
        mend=f"Mend it there; `python -m json.tool {file}` names the line.",
    )


def _kind(value: object) -> str:
    names = {list: "an array", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else "an object")


def _refuse_one_object(path: Path, encoding: Encoding, first: bytes) -> None:
    """Say clearly that a file is one object over several lines, where it is."""
    import ijson

    if first != b"{":
        return
    with Utf8Stream(path, encoding) as stream:
        try:
            names = [
                value for prefix, event, value in ijson.parse(stream) if (prefix, event) == ("", "map_key")
            ]
        except ijson.JSONError:
            return
    finding = Finding(
        id="data.not-rows",
        severity="error",
        message=f"is one JSON object (with {shorten(', '.join(names))}), not an array of rows",
        file=path.name,
        why="Rows are an array of objects, or one object a line.",
        mend="Save the array inside of it as a file of its own, and add that.",
    )
    raise FindingsError([finding])
