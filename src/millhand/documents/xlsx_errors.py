"""Finds the cells of an xlsx sheet in which a formula failed (``#N/A``, ``#REF!``), streamed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

_BLOCK = 1 << 20
_SIGN = re.compile(rb"<v>(#[^<]*)</v>")
_MARK = b't="e"'


def find_errors(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """(row counted from 1, column counted from 0) -> the sign shown, for a sheet by its name."""
    try:
        with ZipFile(path) as archive:
            part = _part_of(archive, sheet)
            if part not in archive.namelist():
                return {}
            with archive.open(part) as file:
                return dict(_scan(file))
    except (
        BadZipFile,
        KeyError,
        NotImplementedError,
        zlib.error,
    ):  # read without fault already; the marks are all that is lost
        return {}


def _part_of(archive: ZipFile, sheet: str) -> str:
    """The archive's member that holds a sheet."""
    book = archive.read("xl/workbook.xml").decode("utf-8", errors="replace")
    links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", errors="replace")
    targets = {
        _attribute(tag, "Id"): _attribute(tag, "Target")
        for tag in re.findall(r"<Relationship\s[^>]*>", links)
    }
    names = {
        _attribute(tag, "name"): _attribute(tag, r"\w+:id")
        for tag in re.findall(r"<(?:\w+:)?sheet\s[^>]*>", book)
    }
    target = targets.get(names.get(sheet, ""), "")
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def _scan(file: IO[bytes]) -> Iterator[tuple[tuple[int, int], str]]:
    rest = b""
    while block := file.read(_BLOCK):
        text = rest + block
        end = text.rfind(b"</c>") + len(b"</c>")
        if end < len(b"</c>"):
            rest = text
            continue
        whole, rest = text[:end], text[end:]
        if _MARK in whole:
            yield from _in_block(whole)


def _in_block(text: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    for piece in text.split(b"</c>"):
        if _MARK not in piece:
            continue
        cell = piece[piece.rfind(b"<c ") :]
        place, sign = re.search(rb'\br="([A-Z]+)(\d+)"', cell), _SIGN.search(cell)
        if place and sign and _MARK in cell.partition(b">")[0]:
            yield (int(place[2]), _index(place[1])), unescape(sign[1].decode("utf-8"))


def _index(letters: bytes) -> int:
    index = 0
    for sign in letters:
        index = index * 26 + sign - ord("A") + 1
    return index - 1
