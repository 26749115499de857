"""The rows and lines of a file, whatever holds them: parquet, arrow, text in UTF-8, UTF-16 or UTF-32."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

_BATCH = 1024
_HEAD = 8192
_ESCAPED = re.compile(r'\\(?:u00([0-9a-fA-F]{2})|(["\\/])|[nrtbf])')
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
# Archives and documents: what stands in them is compressed. zip (xlsx, docx), PDF, gzip, bzip2, xz, zstd, 7z.
_PACKED = (
    b"PK\x03\x04",
    b"%PDF",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]+")  # 0x1b colours a terminal's text
_MOST_CONTROL, _FEW = 0.02, 8  # of random bytes a tenth are


class Line(NamedTuple):
    """A line or row to look through; ``number`` counts from 1."""

    number: int
    text: str


class UnreadableError(Exception):
    """What stands in a file cannot be told."""


def holds_rows(path: Path) -> bool:
    """Whether a file's lines are counted as rows."""
    return path.suffix.lower() in (".jsonl", ".parquet", ".arrow")


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a text file, the rows of a parquet or arrow file.

    What JSON escapes is written out: an escaped line feed before a word is no letter of it.

    Raises:
        UnreadableError: It is none of these, or is broken.
    """
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".arrow"):
        rows = _parquet_rows(path) if suffix == ".parquet" else _arrow_rows(path)
        yield from (Line(number, _plain(_as_text(row))) for number, row in enumerate(rows, 1))
        return
    with path.open("rb") as file:
        encoding = _encoding(file.read(_HEAD))
    with path.open(encoding=encoding, errors="replace", newline="\n") as lines:
        for number, text in enumerate(lines, 1):
            yield Line(number, _plain(text.replace("\0", " ")))


def _encoding(head: bytes) -> str:
    """The encoding of a text that begins so.

    Raises:
        UnreadableError: It is no text.
    """
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "") or _unmarked(head)
    text = head.decode(encoding, errors="replace")
    controls = len(text) - len(_CONTROL.sub("", text))
    if head.startswith(_PACKED) or controls > max(_FEW, len(text) * _MOST_CONTROL):
        raise UnreadableError
    return encoding


def _unmarked(head: bytes) -> str:
    """UTF-16 without a mark by its Latin letters, of which one byte is NUL; else UTF-8."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) / 8 and max(even, odd) > 4 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _plain(text: str) -> str:
    return _ESCAPED.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return match[2] or " "


def _as_text(row: Any) -> str:
    return orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8")


def _parquet_rows(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError from error


def _arrow_rows(path: Path) -> Iterator[Any]:
    """The rows of an arrow file or stream; ``datasets`` writes streams."""
    import pyarrow as pa
    from pyarrow import ipc

    try:
        with path.open("rb") as file:
            framed = file.read(6) == b"ARROW1"
        with pa.OSFile(str(path), "rb") as source:
            reader = ipc.open_file(source) if framed else ipc.open_stream(source)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if framed else reader
            for batch in batches:
                for start in range(0, batch.num_rows, _BATCH):
                    yield from batch.slice(start, _BATCH).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError from error
