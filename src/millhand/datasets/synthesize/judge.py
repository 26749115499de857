"""Judges a question and its answer by the passage they were made of. Pure: no model, no network.

An answer is grounded where every number with its unit, every date, time, clause and standard, and every
name (Latin words, quoted terms, persons and bodies with a title or an ending that tells them) stands in
the passage, and enough of its words begin like words of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from millhand.datasets.synthesize.ground import (
    Ground,
    content_stems,
    figures_of,
    latin_words,
    listed,
    near,
    squeezed,
)

CODES = {
    "empty": "a question or an answer is empty",
    "refusal": "the model refused or found no answer",
    "pointing": "the question or the answer points at a text that its reader does not see",
    "number": "a number, or its unit, does not stand in the passage",
    "date": "a date or a time does not stand in the passage",
    "reference": "a clause, standard or number of a kind does not stand in the passage",
    "name": "a name or a quoted term does not stand in the passage",
    "words": "too few of the answer's words are of the passage",
    "duplicate": "the same is asked elsewhere in the dataset",
    "unreadable": "the answer is not the JSON that was asked for",
    "cut off": "the answer was cut off at max_tokens",
    "missing": "the model gave fewer than it was asked for",
    "not served": "the endpoint did not answer, or refused this request",
    "not asked": "the endpoint refused everything before this was asked",
}


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a question and its answer; ``told`` is what the model hears of it."""

    code: str
    told: str


_REFUSALS = re.compile(
    r"죄송(?:합니다|하지만|스럽)|답변(?:을|해)?\s?(?:드릴|제공할|드리기|할)\s?수\s?(?:가\s?)?없"
    r"|(?:지문|문서|본문|내용|정보|자료)(?:에|에는|에서|에서는|만으로|만으로는)[^.\n]{0,20}"
    r"(?:찾을 수 없|확인할 수 없|알 수 없|언급되지 않|나와 있지 않|명시되어 있지 않|포함되어 있지 않)"
    r"|(?:인공지능|AI)\s?(?:언어\s?)?모델로서"
    r"|\b(?:as an ai|i(?:'m| am) sorry|i can(?:no|')t (?:answer|help|provide|assist)|i do not know"
    r"|i don't know|not (?:mentioned|provided|stated) in the)",
    re.IGNORECASE,
)
_TEXTS = "문서|지문|본문|글|텍스트|단락|문단|구절|발췌문?|예문|표|그림|섹션"
_POINTING = re.compile(
    r"(?:^|[\s\"'(「『])(?:위|윗|상기|앞선?|다음|아래|주어진|제시된|제공된|본|이)(?:의|에)?\s?"
    rf"(?:{_TEXTS})(?![가-힣]*(?:기|번호|등|장))(?=[은는이가을를의에과와로]|\s|[,.?]|$)"
    r"|(?:^|\s)(?:지문|본문)(?:에서|에 따르면|에 의하면|의 내용)"
    r"|(?:문서|지문|본문|글|텍스트)에\s?(?:따르면|의하면|나오는|나온|제시된|언급된|명시된)"
    r"|위\s?(?:내용|자료|절차|설명)"
    r"|\b(?:the|this) (?:passage|text|document|excerpt|paragraph)(?: above| below)?\b"
    r"|\baccording to the (?:passage|text)|\b(?:above|following) (?:passage|text|document)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"[“\"]([^“”\"\n]{1,60})[”\"]|[‘']([^‘’'\n]{2,60})[’']|[「『《〈]([^」』》〉\n]{1,60})[」』》〉]"
)
_SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송류유홍전고문손양배백허남심노하곽성차주우구민나진지엄채원천방공"
    "현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국"
)
_TITLED = re.compile(
    rf"(?<![가-힣])([{_SURNAMES}][가-힣]{{1,2}})\s?(?:대표이사|대표|부사장|사장|회장|전무|상무|이사장|이사|부장|차장|과장|"
    r"대리|주임|팀장|실장|본부장|센터장|소장|원장|위원장|교수|박사|의원|장관|변호사|회계사|기사|씨|님)(?![가-힣]*[성적])"
)
_BODIES = re.compile(
    r"[가-힣A-Za-z]{2,12}(?:주식회사|공사|공단|협회|재단|위원회|연구원|연구소|대학교|은행|그룹|시행령|시행규칙|"
    r"보호법|관리법|기본법|특별법|촉진법|증권|생명보험|화재보험)(?=[은는이가을를의에과와로도만]|[\s,.()·]|$)|(?:㈜|\(주\)|주식회사)\s?[가-힣A-Za-z]{2,12}"
)
_NOT_PERSONS = (
    "이사",
    "조치",
    "주요",
    "전문",
    "기본",
    "정보",
    "안전",
    "보안",
    "시설",
    "담당",
    "고객",
    "선임",
    "책임",
    "수석",
)
_PARTICLE = re.compile(r"(?:에서는|에서|으로|에게|까지|부터|은|는|이|가|을|를|의|에|과|와|로|도|만)$")
_FEW_WORDS = 4


def faults(question: str, answer: str, ground: Ground, *, min_overlap: float = 0.4) -> list[Fault]:
    """All that is wrong with a question and its answer; nothing where they can be kept."""
    if not _says(question) or not _says(answer):
        return [Fault("empty", "질문이나 답이 비어 있습니다.")]
    found = [*_refusal(answer, ground), *_pointing(question, answer)]
    if found:
        return found
    return [*_figures(question, ground), *_figures(answer, ground), *_names(answer, ground)] or list(
        _words(answer, ground, min_overlap)
    )


def question_faults(question: str, ground: Ground) -> list[Fault]:
    """All that is wrong with a question whose answer has been judged."""
    if not _says(question):
        return [Fault("empty", "질문이 비어 있습니다.")]
    return [*_pointing(question, ""), *_figures(question, ground)]


def question_key(question: str) -> str:
    """What two questions share that ask the same in the same words: letters and digits only."""
    return "".join(c for c in question.casefold() if c.isalnum())


def _says(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _refusal(answer: str, ground: Ground) -> Iterator[Fault]:
    found = _REFUSALS.search(answer)
    if found and squeezed(found[0]) not in ground.flat:
        yield Fault("refusal", f"답이 거절이거나 답을 찾지 못했다는 말입니다: {found[0]!r}")


def _pointing(question: str, answer: str) -> Iterator[Fault]:
    found = _POINTING.search(question) or _POINTING.search(answer)
    if found:
        yield Fault("pointing", f"{found[0].strip()!r}라는 말은 지문을 보지 못하는 사람이 알 수 없습니다.")


def _figures(text: str, ground: Ground) -> Iterator[Fault]:
    read, own = figures_of(text), set(listed(text))
    for quantity in read.quantities:
        around = near(text, quantity.start, quantity.end)
        given = quantity.weak or (quantity.value, quantity.unit) in own
        if not given and not ground.has_quantity(quantity, around):
            yield _absent("number", "수와 단위", text[quantity.start : quantity.end])
    for date in read.dates:
        if not ground.has_date(date):
            yield _absent("date", "날짜", text[date.start : date.end])
    for clock in read.clocks:
        if not ground.has_clock(clock):
            yield _absent("date", "시각", text[clock.start : clock.end])
    for label in read.labels:
        if label.name.casefold() not in ground.labels and squeezed(label.name) not in ground.flat:
            yield _absent("reference", "조항이나 번호", label.name)


def _names(answer: str, ground: Ground) -> Iterator[Fault]:
    for word in latin_words(answer, figures_of(answer).spans):
        if word not in ground.latin and not _part_of(word, ground.latin):
            yield _absent("name", "영문 낱말", word)
    for found in _QUOTED.finditer(answer):
        term = next(part for part in found.groups() if part)
        if squeezed(term).strip(".,?!") not in ground.flat:
            yield _absent("name", "따옴표 안의 말", term)
    for name in hangul_names(answer):
        if squeezed(name) not in ground.flat:
            yield _absent("name", "이름", name)


def _part_of(word: str, known: set[str]) -> bool:
    """``wi-fi`` of ``wi-fi/lan``; single letters number things."""
    return len(word) == 1 or any(word in re.split(r"[./&_+-]", other) for other in known)


def hangul_names(text: str) -> Iterator[str]:
    """Names in Hangul as far as a rule can tell: persons before a title, bodies and laws by their endings."""
    for found in _TITLED.finditer(text):
        if found[1] not in _NOT_PERSONS and len(found[1]) == 3:
            yield found[1]
    for found in _BODIES.finditer(text):
        yield _PARTICLE.sub("", found[0])


def _words(answer: str, ground: Ground, least: float) -> Iterator[Fault]:
    words = content_stems(answer)
    if len(words) < _FEW_WORDS:
        return
    share = sum(word in ground.stems for word in words) / len(words)
    if share < least:
        yield Fault("words", "답의 낱말이 지문에 거의 없습니다. 지문의 말로 답하십시오.")


def _absent(code: str, kind: str, what: str) -> Fault:
    return Fault(code, f"{kind} {what.strip()!r}은(는) 지문에 없습니다.")
