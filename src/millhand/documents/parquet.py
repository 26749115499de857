"""Parquet, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millhand.documents.rows import Item, Row, RowFile
from millhand.errors import Finding, FindingsError

_BATCH_ROWS = 1024


def open_parquet(path: Path) -> RowFile:
    """Open a parquet file; its rows count from 1.

    Raises:
        FindingsError: It is no parquet file, or broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        columns = tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _told(path.name, error) from error
    return RowFile(path.name, "objects", columns, _rows(path.name, file))


def _rows(name: str, file: Any) -> Iterator[Item]:
    import pyarrow as pa

    number = 0
    with file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _told(name, error, row=number + 1) from error


def _told(name: str, error: Exception, *, row: int | None = None) -> Exception:
    """The finding; what the system refuses (it has a number then) is no fault of the file's content."""
    refused = isinstance(error, OSError) and error.errno is not None
    return error if refused else FindingsError([_broken(name, error, row=row)])


def _broken(name: str, error: Exception, *, row: int | None = None) -> Finding:
    return Finding(
        id="data.broken-file",
        severity="error",
        message=f"is no whole parquet file: {str(error).splitlines()[0]}",
        file=name,
        row=row,
        why="A download or copy that was cut short looks like this.",
        mend="Fetch or export it again.",
    )
