"""Whether a text is Korean: a share of Hangul is enough to tell, and costs nothing."""

from __future__ import annotations

import re

_HANGUL = re.compile(r"[가-힣]")
_LETTER = re.compile(r"[^\W\d_]")
_KOREAN_SHARE = 0.2
_SAMPLE = 200_000


def language_of(text: str) -> str | None:
    """``ko`` where at least a fifth of the letters are Hangul; None where another language is, or no letter.

    Korean reports are full of Latin names, so the share asked for is small. The first 200,000 characters
    decide.
    """
    sample = text[:_SAMPLE]
    letters = len(_LETTER.findall(sample))
    return "ko" if letters and len(_HANGUL.findall(sample)) >= _KOREAN_SHARE * letters else None
