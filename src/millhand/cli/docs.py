"""``millhand docs``: read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_json, say, show_findings
from millhand.wording import counted

if TYPE_CHECKING:
    from millhand.documents.write import Result

_FINDINGS = 3  # the exit code


@click.group(cls=Group, epilog="\b\nExamples:\n  millhand docs read manual.pdf --out docs/text")
def docs() -> None:
    """Read documents: PDF, DART filings, HTML, Markdown, text, spreadsheets."""


_READ_EPILOG = """\b
Examples:
  millhand docs read manual.pdf --out docs/text
  millhand docs read 20240312000736.zip 안내.html 일지.xlsx --out docs/text
  millhand docs read reports/ --out docs/text --tables --json

Every faulty file is listed; the others are read. Exit code 3 says that one was faulty."""


@docs.command(epilog=_READ_EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the Markdown goes."
)
@click.option("--tables", is_flag=True, help="Find the tables of PDFs too: about 0.1 s a page.")
@json_option
def read(files: tuple[Path, ...], out: Path, tables: bool, as_json: bool) -> int:
    """Write each FILE as Markdown with its sections and tables; its head says where it came from.

    FILE is a PDF, a DART filing (the ZIP of document.xml), HTML, Markdown, text, CSV or a spreadsheet; a
    folder stands for such files in it. What cannot be read (a scanned page, a locked file) is told.
    """
    from millhand.documents.write import write_documents

    with _Progress() as progress:
        result = write_documents(files, out, tables=tables, progress=progress.show)
    show_findings(result.findings)
    _print(result, as_json=as_json)
    return _FINDINGS if any(finding.severity == "error" for finding in result.findings) else 0


class _Progress:
    """The file and page that is read, on stderr, where a person looks on."""

    def __init__(self) -> None:
        from rich.status import Status

        from millhand.cli.output import stderr

        self._status = Status("Reading …", console=stderr())

    def __enter__(self) -> _Progress:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def show(self, file: Path, done: int, of: int) -> None:
        """Show how far it is."""
        from rich.markup import escape

        pages = f": page {done:,} of {of:,}" if of else " …"
        self._status.update(f"Reading {escape(file.name)}{pages}")


def _print(result: Result, *, as_json: bool) -> None:
    if as_json:
        documents = [made._asdict() for made in result.documents]
        print_json({"documents": documents, "findings": list(result.findings)})
        return
    for made in result.documents:
        click.echo(
            f"{made.file}: {made.status}, {made.kind}, {counted(made.sections, 'section')},"
            f" {counted(made.tables, 'table')}"
        )
    errors = sum(finding.severity == "error" for finding in result.findings)
    if errors:
        read = counted(len(result.documents), "document")
        say(f"{read} read; {counted(errors, 'error')} found, listed above.")
