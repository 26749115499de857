"""A document as Markdown with YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from millhand.documents.document import Block, Code, Document, ListItem, Paragraph, Picture, Section, Table
from millhand.documents.frontmatter import with_front_matter

_DEEPEST = 6  # of Markdown's headings
# What would begin another kind of block if it stood at the start of a line.
_BLOCK_START = re.compile(r"^(\s{0,3})(#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|={2,}\s*$|-{2,}\s*$|```|~~~|\|)")
_NUMBER_START = re.compile(r"^(\s{0,3}\d{1,9})([.)])(?=\s|$)")


def to_markdown(document: Document) -> str:
    """The whole document, with what is known of it as front matter."""
    facts = {
        "id": document.id,
        "title": document.title,
        "source": document.source,
        "sha256": document.sha256,
        "bytes": document.bytes,
        "kind": document.kind,
        "language": document.language,
        **document.facts,
    }
    return with_front_matter(facts, body_of(document))


def body_of(document: Document) -> str:
    """The document as Markdown, without front matter."""
    parts = _blocks(document.blocks)
    for path in document.paths():
        parts.append(_heading(path[-1]))
        parts.extend(_blocks(path[-1].blocks))
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(section: Section) -> str:
    return f"{'#' * min(section.level, _DEEPEST)} {' '.join(section.heading.split())}".rstrip()


def _blocks(blocks: Iterable[Block]) -> list[str]:
    """Each block's Markdown; items that follow each other make one list."""
    parts: list[str] = []
    listed = False
    for block in blocks:
        is_item = isinstance(block, ListItem)
        if is_item and listed:
            parts[-1] += f"\n{_block(block)}"
        else:
            parts.append(_block(block))
        listed = is_item
    return parts


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return "\n".join(_escape(line) for line in text.split("\n")).replace("\n", "  \n")
        case ListItem():
            return _item(block)
        case Table():
            return _table(block)
        case Code(text, _, language):
            fence = "`" * max(3, _longest_run(text) + 1)
            return f"{fence}{language}\n{text}\n{fence}"
        case Picture(caption, _, name):
            return f"![{caption}](<{name}>)"


def _item(item: ListItem) -> str:
    indent = "  " * item.depth
    plain = bool(re.fullmatch(r"\d{1,9}[.)]", item.marker))
    own = f"{item.marker} " if plain or item.marker in "-*+" else f"- {item.marker} "
    return f"{indent}{own}{item.text}".replace("\n", f"\n{indent}{' ' * (3 if plain else 2)}")


def _escape(line: str) -> str:
    line = _BLOCK_START.sub(r"\1\\\2", line)
    return _NUMBER_START.sub(r"\1\\\2", line)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    above = [_escape(line) for line in (table.caption, f"({table.unit})" if table.unit else "") if line]
    count = min(max(1, table.header_rows), len(table.rows))
    lines = [_line(_header(table.rows[:count])), _line(["---"] * len(table.rows[0]))]
    lines += [_line([_cell(cell) for cell in row]) for row in table.rows[count:]]
    return "\n\n".join([*above, "\n".join(lines)])


def _header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One header of several rows, as Markdown has but one: ``2023년 / 금액``."""
    joined = []
    for column in zip(*rows, strict=True):
        names: list[str] = []
        for name in map(_cell, column):
            if name and name not in names:
                names.append(name)
        joined.append(" / ".join(names))
    return joined


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", "<br>")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
