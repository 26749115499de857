"""Signs that no person sees, out of Korean text; blanks and line ends in one form.

The form is NFC, never NFKC: that one would rewrite ㈜, ① and ㎡. No letter, digit or mark of
punctuation changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from millhand.text.normal import nfc

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Controls, halves of surrogate pairs, byte-order marks, soft hyphens, marks of direction, tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff\xad\u061c\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# Joiners hold emoji and Indic letters together; beside Hangul and ASCII they are left over from a web page.
_JOINERS = re.compile("(?:^|(?<=[\x00-\x7f\u3130-\u318f가-힣]))[\u200c\u200d]+", re.MULTILINE)
# The fillers of old Hangul belong to the letters beside them.
_FILLERS = re.compile("(?<![\u1100-\u11ff])[\u115f\u1160]+(?![\u1100-\u11ff])")
_BLANKS = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]")
# Each run is entered at its first blank only: a megabyte of blanks takes no longer than one of letters.
_LAST = re.compile(r"(?<! ) +$", re.MULTILINE)
_BESIDE_TAB = re.compile(r"(?<! ) *\t *")
_RUN = re.compile(r"(?<=\S) {2,}")
_EMPTY_LINES = re.compile(r"\n{3,}")
_ODD = re.compile("[^\n -~가-힣]|  | $|\n\n\n", re.MULTILINE)
# CommonMark 0.31, 4.5: a fence that is not closed goes to the end.
_FENCED = re.compile(
    r"^ {0,3}(?:(?P<fence>`{3,})[^`\n]*|(?P<wave>~{3,})[^\n]*)$"
    r"(?:.*?^ {0,3}(?:(?P=fence)`*|(?P=wave)~*)[ \t]*$|.*\Z)",
    re.MULTILINE | re.DOTALL,
)


def tidy(text: str) -> str:
    """One form of ``text``: composed, unseen signs out, each run of blanks one blank, lines by line feeds.

    A tab stays: it parts a table's cells. The blanks that begin a line stay, they say how deep a list is;
    those that end one go. No two lines in a row are empty. Fenced code is kept sign by sign.
    """
    if not _ODD.search(text):
        return text.strip()
    return outside_code(_LINE_ENDS.sub("\n", text), _tidied).strip("\n ")


def outside_code(text: str, edit: Callable[[str], str]) -> str:
    """``text`` with ``edit`` put to what stands outside of Markdown's fenced code."""
    if "```" not in text and "~~~" not in text:
        return edit(text)
    parts, end = [], 0
    for found in _FENCED.finditer(text):
        parts += [edit(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, edit(text[end:])])


def _tidied(text: str) -> str:
    text = _BLANKS.sub(" ", _FILLERS.sub("", _JOINERS.sub("", _UNSEEN.sub("", text))))
    text = _RUN.sub(" ", _BESIDE_TAB.sub("\t", _LAST.sub("", nfc(text))))
    return _EMPTY_LINES.sub("\n\n", text)
