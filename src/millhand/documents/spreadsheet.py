"""Spreadsheets: xlsx, xls and their kin.

A sheet is parsed as a whole by the library (at most 1,048,576 rows); its rows are handed out one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millhand.documents.header import Cells, empty_file, put_under, take_header
from millhand.documents.rows import CellError, RowFile
from millhand.documents.xls_chains import chains_end
from millhand.errors import Finding, FindingsError, UsageError
from millhand.text.normal import clean_cell, did_you_mean, nfc

# Beyond this a float no longer holds every whole number, and Excel itself shows powers of ten.
_WHOLE = 10**15
_SAVE_AGAIN = (
    "Open it in Excel or LibreOffice and save it as .xlsx; if it does not open, fetch or export it again."
)


def open_spreadsheet(path: Path, sheet: str | None = None) -> RowFile:
    """Open a sheet: ``sheet``, or the first visible one that is not empty. Its first row is the header.

    Raises:
        UsageError: There is no sheet of that name.
        FindingsError: It is no spreadsheet, is locked by a password, is empty, or its header has a fault.
    """
    book, name, found = _open_sheet(path, sheet)
    rows = _read(found, _errors(path, name))
    header = take_header(path.name, rows)
    items = put_under(path.name, header, rows, ragged=False)
    return RowFile(
        path.name,
        "table",
        header.columns,
        items,
        sheet=name,
        notes=_notes(book, name, asked=sheet),
        empty="holds a header and no rows",
    )


def cell_text(value: object) -> str:
    """A cell as text: 3.0 -> ``3``, a date in ISO form, TRUE and FALSE as the sheet shows them.

    A number has the 15 digits that a spreadsheet has; its format (35%, ₩1,000) is not in the cell.
    """
    if isinstance(value, str):
        return clean_cell(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _open_sheet(path: Path, wanted: str | None) -> tuple[Any, str, Any]:
    with faults_told(path):
        book = open_book(path)
        return book, *_pick(path, book, wanted)


def open_book(path: Path) -> Any:
    """Open all of a spreadsheet; what the library raises is told by ``faults_told``.

    Raises:
        FindingsError: It is an old file whose sectors go round in a ring.
    """
    import python_calamine as calamine

    if not chains_end(path):
        what = "is no whole spreadsheet: its sectors go round in a ring"
        raise FindingsError([_unreadable(path, what, _SAVE_AGAIN)])
    return calamine.CalamineWorkbook.from_path(str(path))


@contextmanager
def faults_told(path: Path) -> Iterator[None]:
    """Within it, what the spreadsheet library raises becomes a FindingsError."""
    import python_calamine as calamine

    try:
        yield
    except calamine.PasswordError as error:
        raise FindingsError([_unreadable(path, "is locked by a password", "Save it without one.")]) from error
    except calamine.CalamineError as error:
        what, mend = _what_it_is(path, error)
        raise FindingsError([_unreadable(path, what, mend)]) from error
    except BaseException as error:
        # Rust code that meets what it thought impossible raises a class that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        what, mend = _what_it_is(path, error)
        raise FindingsError([_unreadable(path, what, mend)]) from error


def _what_it_is(path: Path, error: BaseException) -> tuple[str, str]:
    with path.open("rb") as file:
        head = file.read(1024).lstrip().lower()
    if head.startswith((b"<html", b"<!doctype", b"<table", b"<meta", b"\xef\xbb\xbf<")):
        return (
            "is a web page with the name of a spreadsheet",
            "Open it in Excel or LibreOffice, save it as .xlsx, and name that file.",
        )
    return f"is no whole spreadsheet: {error}", _SAVE_AGAIN


def _unreadable(path: Path, what: str, mend: str) -> Finding:
    why = "No cell of it can be read."
    return Finding(id="data.broken-file", severity="error", message=what, file=path.name, why=why, mend=mend)


def _pick(path: Path, book: Any, wanted: str | None) -> tuple[str, Any]:
    if wanted is not None:
        names = {nfc(name): name for name in book.sheet_names}
        if nfc(wanted) not in names:
            raise UsageError(
                f"{path.name} has no sheet {wanted!r}. {did_you_mean(wanted, names)}".rstrip(),
                mend=f"Its sheets: {', '.join(map(repr, book.sheet_names))}.",
            )
        return wanted, book.get_sheet_by_name(names[nfc(wanted)])
    for name in shown_sheets(book):
        sheet = book.get_sheet_by_name(name)
        if sheet.end is not None:
            return name, sheet
    raise FindingsError([empty_file(path.name)])


def shown_sheets(book: Any) -> list[str]:
    """The names of the sheets that a person sees."""
    return [meta.name for meta in book.sheets_metadata if str(meta.visible).endswith("Visible")]


def _notes(book: Any, name: str, *, asked: str | None) -> tuple[str, ...]:
    others = [other for other in shown_sheets(book) if other != name]
    if asked is not None or not others:
        return ()
    return (f"read the sheet {name!r}; not read: {', '.join(map(repr, others))} (name another with --sheet)",)


def _read(sheet: Any, errors: Mapping[tuple[int, int], str]) -> Iterator[Cells]:
    """Number and cells of each row, from the sheet's first row and column on."""
    start = sheet.start or (0, 0)
    before = [""] * start[1]
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = before + [cell_text(value) for value in values]
        yield number, _with_errors(number, cells, errors) if errors else cells


def _with_errors(number: int, cells: list[str], errors: Mapping[tuple[int, int], str]) -> list[str]:
    for index in range(len(cells)):
        if (number, index) in errors:
            cells[index] = CellError(errors[number, index])
    return cells


def _errors(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Cells in which a formula failed; the library hands them out as empty ones. Only xlsx tells."""
    from millhand.documents.xlsx_errors import find_errors

    return find_errors(path, sheet) if path.suffix.lower() in (".xlsx", ".xlsm") else {}
