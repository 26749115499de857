"""Text files, decoded as they are (UTF-8 or cp949), as documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from millhand.documents.document import ListItem, Paragraph, Place, Reading
from millhand.documents.outline import Outline
from millhand.documents.source import Source, broken, make_document
from millhand.errors import Finding, FindingsError
from millhand.text.encoding import detect_encoding
from millhand.text.normal import nfc
from millhand.text.numbering import split_marker, split_number

_HEADS = ("part", "chapter", "clause", "roman")
_LONGEST_HEADING = 60  # characters
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def decoded(source: Source) -> str:
    """A text file's content, composed, with line feeds and without control characters.

    Raises:
        FindingsError: It is neither UTF-8 nor cp949.
    """
    try:
        encoding = detect_encoding(source.path)
    except FindingsError as error:
        raise FindingsError(to_mend(error.findings)) from error
    text = source.path.read_bytes()[encoding.skip_bytes :].decode(encoding.codec)
    return _FORBIDDEN.sub("", nfc(text.replace("\r\n", "\n").replace("\r", "\n")))


def to_mend(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings of readers that other commands use too, with the mend that fits reading a document."""
    mend = "Mend it (save it as UTF-8, if it is the encoding), and read the file again."
    return tuple(replace(finding, mend=mend) for finding in findings)


def read_text(source: Source) -> Reading:
    """Paragraphs parted by empty lines. A short line alone with a chapter's number is a heading."""
    try:
        text = decoded(source)
    except FindingsError as error:
        return Reading((), error.findings)
    if not text.strip():
        return Reading((), (broken(source, "is empty", "Check that it is the right file."),))
    outline = Outline(dense=True)
    for number, group in _groups(text):
        _add(outline, number, group)
    return Reading((make_document(source, "text", "", outline),))


def _groups(text: str) -> list[tuple[int, list[str]]]:
    """Lines that no empty line parts, each group with the number of its first line."""
    groups: list[tuple[int, list[str]]] = []
    open_ = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and open_:
            groups[-1][1].append(line.strip())
        elif line.strip():
            groups.append((number, [line.strip()]))
        open_ = bool(line.strip())
    return groups


def _add(outline: Outline, number: int, lines: list[str]) -> None:
    numbered = split_number(lines[0])
    is_short = len(lines) == 1 and len(lines[0]) <= _LONGEST_HEADING and not lines[0].endswith(".")
    if numbered and numbered.kind in _HEADS and numbered.rest and is_short:
        outline.heading(numbered.rank + 1, lines[0], Place("line", number))
        return
    running: list[str] = []
    start = number
    for at, line in enumerate([*lines, ""], number):
        marked = split_marker(line)
        if (marked or not line) and running:
            outline.add(Paragraph("\n".join(running), Place("line", start)))
            running = []
        if marked:
            outline.add(ListItem(marked.rest, Place("line", at), marked.marker))
        elif line:
            start = start if running else at
            running.append(line)
