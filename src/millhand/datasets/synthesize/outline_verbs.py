"""The endings of Korean sentences: ``확인한다`` as ``확인합니다``, ``확인합니까?``, ``확인하는``, ``확인한``.

Only what the ending itself tells is changed; a sentence that ends otherwise stays as it is, or gives None.
"""

from __future__ import annotations

import re

from millhand.datasets.synthesize.outline_words import final_consonant, is_syllable, with_final

_N, _L, _B = 4, 8, 17  # ㄴ ㄹ ㅂ, as final consonants are counted in Unicode
_SENTENCE_END = re.compile(r"(?<=[가-힣)\]”’\"'][.?!])\s+")
_NOT_DONE = re.compile(r"(?:지|지는|지도) ?(?:않|아니하|말|못하)$|야 하$|수 있$|수 없$")
_FORBIDS = re.compile(r"(.*[가-힣])지 (?:않는다|않습니다|말아야 한다|말아야 합니다|못한다|못합니다)\.")
# A clause that ends in a condition; a word such as 화면 only looks like one.
_CONDITION = re.compile(r"\S*(?:[가-힣]면|때에는|때는|경우에는|경우에|경우)(?=,? )")
_NO_CONDITION = re.compile(
    r"(?:화면|정면|도면|측면|평면|표면|장면|서면|벽면|단면|전면|후면|양면|반면|그러면|이러면|들면|따르면|의하면|말하면|비하면|아니면)\Z"
)
# Stems that change before a vowel: 묻는다, 물은.
_CHANGING = {
    "돕": "도운",
    "눕": "누운",
    "굽": "구운",
    "줍": "주운",
    "듣": "들은",
    "묻": "물은",
    "걷": "걸은",
    "싣": "실은",
    "깨닫": "깨달은",
    "붓": "부은",
    "짓": "지은",
    "잇": "이은",
    "긋": "그은",
    "젓": "저은",
}


def sentences(text: str) -> list[str]:
    """A text's sentences, each with its full stop."""
    return [part for line in text.split("\n") for part in _SENTENCE_END.split(line.strip()) if part]


def is_sentence(text: str) -> bool:
    """Whether a text ends as a statement does."""
    return text.rstrip().endswith(("다.", "다", "오.", "요."))


def formal(text: str) -> str:
    """Each sentence of a text in the formal style: ``한다.`` -> ``합니다.``, ``이다.`` -> ``입니다.``"""
    return "\n".join(" ".join(map(_formal, sentences(line))) for line in text.split("\n"))


def _formal(sentence: str) -> str:
    stem = _formal_stem(sentence)
    return sentence if stem is None else f"{stem}니다."


def asking(sentence: str) -> str | None:
    """A statement as a formal question: ``확인한다.`` -> ``확인합니까?``"""
    stem = _formal_stem(sentence)
    return None if stem is None else f"{stem}니까?"


def _formal_stem(sentence: str) -> str | None:
    """What stands before ``니다``: ``확인합``, ``있습``, ``분수대 앞입``."""
    if not sentence.endswith("다."):
        return None
    body = sentence[:-2]
    last = body[-1:]
    if not is_syllable(last):
        return None
    if last == "니" and final_consonant(body[-2:-1] or " ") == _B:
        return body[:-1]
    if last == "는" and len(body) > 1 and final_consonant(body[-2]):
        return f"{body[:-1]}습"
    tail = final_consonant(last)
    if tail == _N or last in ("이", "니", "하"):
        return body[:-1] + with_final(last, _B)
    return None if tail in (0, _L) else f"{body}습"


def doing(sentence: str) -> str | None:
    """A statement as what stands before a noun: ``확인한다.`` -> ``확인하는``; None where that is no verb."""
    stem = _verb_stem(sentence)
    return None if stem is None else f"{stem}는"


def done(sentence: str) -> str | None:
    """The same of what is over: ``확인한다.`` -> ``확인한``; None of what is not to be done."""
    stem = _verb_stem(sentence)
    if stem is None or _NOT_DONE.search(stem):
        return None
    if not final_consonant(stem[-1]):
        return stem[:-1] + with_final(stem[-1], _N)
    changed = next((old for old in _CHANGING if _is_word(stem, old)), None)
    return f"{stem}은" if changed is None else stem[: -len(changed)] + _CHANGING[changed]


def _is_word(text: str, stem: str) -> bool:
    return text == stem or text.endswith(f" {stem}")


def _verb_stem(sentence: str) -> str | None:
    """What stands before ``는`` in a verb: ``확인하`` of ``확인한다``, ``여`` of ``연다``."""
    if not sentence.endswith("다."):
        return None
    body = sentence[:-2]
    if len(body) < 2 or not is_syllable(body[-1]):
        return None
    last = body[-1]
    if last == "는" and final_consonant(body[-2]):
        return body[:-1]
    if last == "니" and final_consonant(body[-2]) == _B:
        return _before_formal(body[:-1])
    return body[:-1] + with_final(last, 0) if final_consonant(last) == _N and last != "인" else None


def _before_formal(body: str) -> str | None:
    """``확인합`` -> ``확인하``, ``읽습`` -> ``읽``; None for ``입`` and for what is past."""
    if body.endswith("습"):
        return None if final_consonant(body[-2:-1] or " ") == 20 else body[:-1]
    return None if body.endswith("입") else body[:-1] + with_final(body[-1], 0)


def forbidden(sentence: str) -> str | None:
    """What a sentence forbids, before a noun: ``쓰지 않는다.`` -> ``쓰는``; None where it forbids nothing."""
    found = _FORBIDS.fullmatch(sentence)
    if found is None or not is_syllable(found[1][-1]):
        return None
    stem = found[1]
    return stem[:-1] + with_final(stem[-1], 0) + "는" if final_consonant(stem[-1]) == _L else f"{stem}는"


def is_nominal(text: str) -> bool:
    """Whether a phrase ends in a verb made a noun: ``않음``, ``들림``."""
    return text.endswith(("음", "함", "됨", "림", "킴", "짐", "임"))


def condition_end(sentence: str) -> int:
    """Where a sentence's first clause such as ``불이 나면``, ``거부할 때에는`` ends; 0 where it has none."""
    found = (f.end() for f in _CONDITION.finditer(sentence) if not _NO_CONDITION.search(f[0]))
    return next(found, 0)


def has_condition(text: str) -> bool:
    """Whether a text's first sentence is for a case of its own."""
    return bool(condition_end(text.partition(". ")[0]))
