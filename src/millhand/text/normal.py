"""One normal form for Korean text and for the names that people give columns."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

# A byte-order mark and the zero-width blanks that copying out of web pages leaves at the ends of a cell.
_INVISIBLE = "\ufeff\u200b\u2060"
# "질문내용" and "질문" name the same column, and so do "Answer Text" and "answer".
_TAILS = ("내용", "사항", "text", "content")


def nfc(text: str) -> str:
    """Compose ``text``: macOS hands out decomposed Hangul, which a tokenizer cuts into single letters."""
    return (
        text
        if text.isascii() or unicodedata.is_normalized("NFC", text)
        else unicodedata.normalize("NFC", text)
    )


def clean_cell(text: str) -> str:
    """The text of a table's cell: composed, lines ended by line feeds, no blanks around it.

    What stands inside is kept as it is, blank lines and runs of blanks too.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return nfc(text.strip().strip(_INVISIBLE).strip())


def match_key(name: str) -> str:
    """What two column names share when a person would call them the same: ``질문 (필수)`` -> ``질문``."""
    key = nfc(name).strip(_INVISIBLE).casefold()
    key = _without_brackets(key) or key
    key = "".join(c for c in key if c.isalnum())
    return next((key.removesuffix(tail) for tail in _TAILS if key.endswith(tail) and key != tail), key)


def _without_brackets(text: str) -> str:
    kept, depth = [], 0
    for c in text:
        depth += c in "([{（［〔<"
        if not depth:
            kept.append(c)
        depth -= c in ")]}）］〕>" and depth > 0
    return "".join(kept).strip()


def slug(stem: str) -> str:
    """A name for a dataset from a file's stem: ``민원 상담(2024)`` -> ``민원_상담_2024``; Hangul is kept.

    Returns ``dataset`` where nothing of the stem can stay.
    """
    words = "".join(c if c.isalnum() or c in "_-." else " " for c in nfc(stem)).split()
    return "_".join(words).strip("_-.") or "dataset"


def nearest(name: str, known: Iterable[str], *, count: int = 1) -> list[str]:
    """The ``count`` names of ``known`` that ``name`` may be a slip of the pen for, likeliest first."""
    keys = {match_key(other): other for other in known}
    found = difflib.get_close_matches(match_key(name), keys, n=count, cutoff=0.5)
    return [keys[key] for key in found]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``Did you mean 'output'?``, or nothing where no known name is near; a number is near to none."""
    found = nearest(name, known) if isinstance(name, str) else ()
    return f"Did you mean {found[0]!r}?" if found else ""
