"""DART's XML made well-formed, then parsed strictly.

The files declare XML and are written by an editor that escapes nothing: ``R&D`` stands bare, and so do
headings as ``<TV 시장점유율 추이 >``. A parser that recovers throws text away (``R&D`` becomes ``R``); here
what is no markup is escaped and everything is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_CLOSED = re.compile(r"</([A-Z][A-Z0-9-]*)")
_CLOSED_ITSELF = re.compile(r"<([A-Z][A-Z0-9-]*)(?:\s[^<>]*)?/>")
_CHARACTER = re.compile(r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));")
_LINE_BREAK = re.compile(r"&(?:amp;)?cr;")
_QUOTED_TWICE = re.compile(r'="(?:"([^"<>=]+)"|([^"<>]*))"+(?=[\s/>])')
_TAG = re.compile(r"<[A-Z][^<>]*>")


def decode(content: bytes) -> str:
    """The text of a file: UTF-8, else cp949, whatever its declaration says.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp949")


def unwrap(text: str) -> str:
    """Take out the line feeds that DART's editor puts beside tags: they are layout of the file, not text.

    It breaks the line before each SPAN, in the middle of a sentence or word.
    """
    text = text.replace("\r\n", "\n").replace("\n\n", "\n")
    return text.replace("\n<", "<").replace(">\n", ">")


def sanitise(text: str) -> str:
    """Escape what is no markup, and take out what XML forbids; well-formed text comes back as it was.

    A tag is what has an upper-case name that the file also closes. ``&cr;``, DART's line break, becomes a
    line feed. Only XML's five entities and numbers of lawful characters are kept, so no entity can grow.
    """
    text = _DECLARATION.sub("", text, count=1)
    text = _DOCTYPE.sub("", text, count=1) if "<!DOCTYPE" in text else text
    text = _COMMENT.sub("", text) if "<!--" in text else text
    text = _FORBIDDEN.sub("", text)
    if "cr;" in text:
        text = _LINE_BREAK.sub("\n", text)
    if "&#" in text:
        text = _CHARACTER.sub(_character, text)
    return _stray(text).sub(_escape, text)


def parse(text: str) -> _Element:
    """The root element of sanitised text.

    Quotes that are doubled in an attribute are mended where the text does not parse as it stands.

    Raises:
        lxml.etree.XMLSyntaxError: It is not well-formed; the error knows line and column.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError:
        mended = _TAG.sub(_mend_quotes, text)
        if mended == text:
            raise
        return etree.fromstring(mended.encode("utf-8"), parser)


def _stray(text: str) -> re.Pattern[str]:
    """Matches each ``&`` and ``<`` that begins no markup of this text."""
    names = set(_CLOSED.findall(text))
    if "/>" in text:
        names.update(_CLOSED_ITSELF.findall(text))
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or r"\b\B"
    tag = rf"/?(?:{known})(?:\s[^<>]*)?/?>"
    return re.compile(rf"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);)|<(?!{tag})")


def _escape(found: re.Match[str]) -> str:
    return "&amp;" if found[0] == "&" else "&lt;"


def _character(found: re.Match[str]) -> str:
    """A numeric reference if XML allows its character, else nothing."""
    number = int(found[1], 16) if found[1] else int(found[2])
    lawful = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number <= 0xFFFD
    return found[0] if lawful or 0x10000 <= number <= 0x10FFFF else ""


def _mend_quotes(tag: re.Match[str]) -> str:
    return _QUOTED_TWICE.sub(lambda found: f'="{found[1] or found[2] or ""}"', tag[0])
