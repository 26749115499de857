"""The step ``filter``: drops what nothing can be learned from, each under the name of its reason.

Reasons are tried in the order of ``_TESTS``; the first that holds is the one that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import Step, Tally
from millhand.documents.document import Code, Table, plain_text
from millhand.text.boilerplate import boilerplate_of
from millhand.text.cautious import cautious, stands_in
from millhand.text.repetition import repetition_of

_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")
_DIGIT = re.compile(r"\d")
_BLANK = re.compile(r"\s")
# Shares of fewer signs than these say nothing.
_FEW_LETTERS, _FEW_SIGNS = 20, 40
_BROKEN = 0.01
# A short answer may well be a number, "table of contents", or say that copying is forbidden.
_IN_ANSWERS = ("blank on purpose", "menu")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is dropped. Lengths are in characters, 0 is no limit; shares go from 0 to 1.

    Args:
        min_chars: Of a passage's text, without its headings; ``max_chars`` too.
        min_question_chars: Of a record's question; ``min_answer_chars`` and the two others likewise. A
            record without an answer is always dropped.
        language: ``ko`` drops a record, or a passage's prose, with less Hangul among its letters than
            ``min_hangul``; texts of fewer than 20 letters stay.
        repetition: How much of an answer may say the same again: times the limits of Gopher's rules,
            which were set for the web. 0 does not look.
        prose_repetition: The same of a passage's prose. Not looked at unless asked for: sound reports
            repeat themselves.
        boilerplate: Tables of contents, page numbers, copyright, menus, pages left blank.
        max_symbols: The share of signs that are neither letters nor digits, blanks not counted.
        max_digits: The share of digits. Tables of numbers have many: a limit is for prose.
        drop: Patterns, as Python's ``re`` has them, each tried on one line: a piece where one is found
            is dropped. Patterns that could run without an end are refused.
    """

    min_chars: int = 10
    max_chars: int = 0
    min_question_chars: int = 2
    max_question_chars: int = 0
    min_answer_chars: int = 1
    max_answer_chars: int = 0
    language: Literal["", "ko"] = ""
    min_hangul: float = 0.2
    repetition: float = 2.0
    prose_repetition: float = 0.0
    boilerplate: bool = True
    max_symbols: float = 0.6
    max_digits: float = 1.0
    drop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would drop all or mean nothing.

        Raises:
            ValueError: A limit is out of its range, or a pattern could run without an end.
        """
        faults = list(_out_of_range(self))
        if faults:
            raise ValueError("; ".join(faults))
        for pattern in self.drop:
            cautious(pattern)


def _out_of_range(options: Options) -> Iterator[str]:
    for what in ("chars", "question_chars", "answer_chars"):
        least, most = getattr(options, f"min_{what}"), getattr(options, f"max_{what}")
        for name, value in (("min", least), ("max", most)):
            if value < 0:
                yield f"{name}_{what} counts characters, from 0, not {value}"
        if 0 < most < least:
            yield f"max_{what} {most} is below min_{what} {least}: nothing would be left"
    for name in ("min_hangul", "max_symbols", "max_digits"):
        value = getattr(options, name)
        if not 0 <= value <= 1:
            yield f"{name} is a share, from 0 to 1, not {value:g}"
    for name in ("repetition", "prose_repetition"):
        value = getattr(options, name)
        if not value >= 0:
            yield f"{name} is times a limit, from 0, not {value:g}"


class _View(NamedTuple):
    """The texts of a piece that are judged.

    ``main`` is the answer, or a passage's text; ``prose`` is ``main`` without tables and code.
    """

    record: bool
    question: str
    main: str
    prose: str
    whole: str


_Test = Callable[[Options, _View], str]


def filter_pieces(options: Options, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    """Let go on what no test has a reason against."""
    for piece in pieces:
        reason = reason_against(options, piece)
        if reason:
            tally.drop(piece, reason)
        else:
            yield piece


def reason_against(options: Options, piece: Piece) -> str:
    """Why ``piece`` should be dropped; empty where it should stay."""
    view = _view(piece)
    return next((reason for test in _TESTS if (reason := test(options, view))), "")


def _view(piece: Piece) -> _View:
    if piece.record is not None:
        question, answer = piece.record.question, piece.record.answer
        return _View(True, question, answer, answer, f"{question}\n{answer}")
    blocks = piece.passage.blocks if piece.passage else ()
    prose = "\n".join(plain_text(block) for block in blocks if not isinstance(block, Table | Code))
    main = piece.passage.text if piece.passage else ""
    return _View(False, "", main, prose, main)


def _empty(_: Options, view: _View) -> str:
    if not view.main.strip():
        return "empty answer" if view.record else "empty"
    return "empty question" if view.record and not view.question.strip() else ""


def _length(options: Options, view: _View) -> str:
    if not view.record:
        return _outside(len(view.main.strip()), options.min_chars, options.max_chars, "too {}")
    question, answer = len(view.question.strip()), len(view.main.strip())
    of_question = _outside(
        question, options.min_question_chars, options.max_question_chars, "question too {}"
    )
    return of_question or _outside(
        answer, options.min_answer_chars, options.max_answer_chars, "answer too {}"
    )


def _outside(length: int, least: int, most: int, reason: str) -> str:
    if length < least:
        return reason.format("short")
    return reason.format("long") if most and length > most else ""


def _broken_signs(_: Options, view: _View) -> str:
    return "broken signs" if view.whole.count("\ufffd") > _BROKEN * len(view.whole) else ""


def _boilerplate(options: Options, view: _View) -> str:
    kind = boilerplate_of(view.main) if options.boilerplate else ""
    return kind if not view.record or kind in _IN_ANSWERS else ""


def _language(options: Options, view: _View) -> str:
    if not options.language:
        return ""
    text = view.whole if view.record else view.prose
    letters, hangul = len(_LETTER.findall(text)), len(_HANGUL.findall(text))
    return "not Korean" if letters >= _FEW_LETTERS and hangul < options.min_hangul * letters else ""


def _repetition(options: Options, view: _View) -> str:
    slack = options.repetition if view.record else options.prose_repetition
    found = repetition_of(view.prose, slack) if slack else None
    return f"repeated {found.what}" if found else ""


def _shares(options: Options, view: _View) -> str:
    signs = len(view.main) - len(_BLANK.findall(view.main))
    if signs < _FEW_SIGNS:
        return ""
    digits = len(_DIGIT.findall(view.main))
    symbols = signs - digits - len(_LETTER.findall(view.main))
    if symbols > options.max_symbols * signs:
        return "mostly symbols"
    return "mostly digits" if digits > options.max_digits * signs else ""


def _own(options: Options, view: _View) -> str:
    found = (pattern for pattern in options.drop if stands_in(_compiled(pattern), view.whole))
    return next((f"pattern {pattern}" for pattern in found), "")


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return cautious(pattern)


_TESTS: tuple[_Test, ...] = (
    _empty,
    _boilerplate,
    _length,
    _broken_signs,
    _language,
    _shares,
    _repetition,
    _own,
)

STEP = Step("filter", Options, each=filter_pieces, revision=3)
