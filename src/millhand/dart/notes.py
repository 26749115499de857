"""Splits the notes of an audit report at their numbers: all stand under one heading, 100,000 characters.

A note begins with a paragraph ``7. 매출채권:``; its number must be the one after the last, so that no
numbered line of a list is taken for one.
"""

from __future__ import annotations

import msgspec

from millhand.documents.document import Block, Document, Paragraph, Section
from millhand.text.numbering import split_number

HEADINGS = ("주석", "재무제표에 대한 주석", "연결재무제표에 대한 주석")
_LONGEST = 60  # characters of a note's heading


def split_notes(document: Document) -> Document:
    """The document with a section for each note; a document of another kind as it is."""
    if document.kind == "dart":
        return document
    return msgspec.structs.replace(document, sections=tuple(map(_split, document.sections)))


def is_note(path: tuple[Section, ...]) -> bool:
    """Whether the last section of a path is a note that was split off."""
    return len(path) > 1 and path[-2].heading in HEADINGS


def _split(section: Section) -> Section:
    if section.heading not in HEADINGS or section.sections:
        return msgspec.structs.replace(section, sections=tuple(map(_split, section.sections)))
    own: list[Block] = []
    notes: list[Section] = []
    for block in section.blocks:
        begun = _begin(block, section.level + 1, len(notes) + 1)
        if begun:
            notes.append(begun)
        elif notes:
            notes[-1] = msgspec.structs.replace(notes[-1], blocks=(*notes[-1].blocks, block))
        else:
            own.append(block)
    return msgspec.structs.replace(section, blocks=tuple(own), sections=tuple(notes))


def _begin(block: Block, level: int, number: int) -> Section | None:
    """The note of this number, if the block begins it; what stands behind its colon is its first block."""
    if not isinstance(block, Paragraph):
        return None
    line, colon, rest = block.text.partition(":")
    numbered = split_number(line.strip())
    if numbered is None or numbered.number != f"{number}." or not numbered.rest:
        return None
    if len(line) > _LONGEST or "\n" in line.strip() or not (colon or line == block.text):
        return None
    blocks = (Paragraph(rest.strip(), block.place),) if rest.strip() else ()
    return Section(line.strip(), level, block.place, numbered.number, "", blocks)
