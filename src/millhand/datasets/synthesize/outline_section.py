"""What a section is by its structure: what it is about, the part it plays, its steps and points."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from millhand.datasets.pieces import Passage
from millhand.datasets.synthesize.outline_verbs import doing, is_sentence, sentences
from millhand.datasets.synthesize.outline_words import Word
from millhand.documents.document import Block, ListItem, Paragraph, Table
from millhand.text.numbering import split_number

Role: TypeAlias = Literal[
    "purpose", "scope", "people", "terms", "steps", "cautions", "records", "front", "question", "other"
]
# What a heading says of the part that its section plays, whatever the document is about.
_ROLES: tuple[tuple[Role, str], ...] = (
    ("purpose", r"목적|취지|목적 및 취지"),
    ("scope", r"(?:적용 ?)?(?:범위|대상)|적용|적용 범위 및 대상"),
    ("people", r"책임자?|담당자?|책임과 (?:권한|역할)|역할(?:과 책임)?|조직과 역할|책임 및 권한|담당 부서"),
    ("terms", r"용어|정의|용어의? ?(?:정의|뜻|설명|풀이)"),
    (
        "steps",
        r"(?:(?:수행|처리|업무|작업|대응|조치|진행|신청|이용|행동) ?)?(?:절차|순서|요령|방법|단계)|행동 수칙",
    ),
    ("cautions", r"주의(?: ?사항)?|유의(?: ?사항)?|금지(?: ?사항)?|안전 ?수칙|준수 ?사항|경고"),
    ("records", r"기록(?: ?(?:관리|보존|보관))?|(?:기록|문서|서식)의? ?(?:보존|보관|관리)|보존 기간"),
    ("front", r"목차|차례|일러두기|머리말|들어가며|표지|판권|개정 ?이력|찾아보기|색인"),
)
_ROLE = tuple((role, re.compile(rf"(?:{pattern})\Z")) for role, pattern in _ROLES)
_QUESTION = re.compile(r"[?？]\s*\Z|(?:나요|까요|가요|습니까|입니까|됩니까|합니까|할까|인가)\s*\Z")
_ASKED = re.compile(r"\A\s*(?:Q\s*\d*|질문\s*\d*|문\s*\d+|문)\s*[.):：]\s*|\A\s*\[(?:Q|질문)\]\s*")
_BRACKETED = re.compile(r"\(([^()]+)\)")
_STEP_MARKER = re.compile(r"\(?\d{1,2}[.)]|[①-⑳]|[가-하][.)]|\(?[가-하]\)")
_STEP_TEXT = re.compile(r"(?P<marker>\d{1,2}[.)]|[①-⑳]|\(\d{1,2}\))\s*(?P<text>\S.+)", re.DOTALL)
_LEFT_OUT = re.compile(r"(?:\.\s?){4,}|(?:·\s?){4,}|…{2,}|\A\s*(?:※|☞|\(?\*+\d*\)?)")
# Nouns that name an activity: 시 can stand behind them.
_ACTIVITY = re.compile(
    r"(?:관리|대응|통제|운영|반입|반출|순찰|교대|점검|신청|발급|처리|등록|신고|조치|검사|교육|보관|접수|복구|대피|훈련|작성"
    r"|안내|대처|청소|수리|설치|사용|이용|작업|근무|출동|구조|폐기|정비|측정|평가|운전|제출|변경|해지|가입|구매|계약|채용|예약|신고|배송|반납|대여)\Z"
)
_PROCEDURE = re.compile(r"(?:절차|방법|요령|순서|수칙|지침|매뉴얼|규정)\Z")
_EVENT = re.compile(r"(?P<event>.+?)\s?(?:대응|대처|조치)\Z")


class Point(str):
    """An item without a number."""

    __slots__ = ()


class Step(NamedTuple):
    """A numbered step: its marker as it stood, and its text."""

    marker: str
    text: str


@dataclass(frozen=True)
class Section:
    """A passage as the questions need it.

    Args:
        title: The document's.
        topic: What it is about: the nearest heading that is not the name of a part, without its number.
        heading: Its own, without its number.
        role: The part that it plays.
        steps: Numbered items in their order.
        points: Items without a number.
        paragraphs: Running text.
        lines: All of these as they stood, with their markers.
        tables: As they stood.
        nested: Whether it stands under a heading other than its own.
    """

    title: Word
    topic: Word
    heading: Word
    role: Role
    steps: tuple[Step, ...]
    points: tuple[str, ...]
    paragraphs: tuple[str, ...]
    lines: tuple[str, ...]
    tables: tuple[Table, ...]
    nested: bool

    @property
    def procedure(self) -> Word:
        """The topic's name as that of a procedure: ``정전 대응 절차``."""
        return self.topic if _PROCEDURE.search(self.topic) else Word(f"{self.topic} 절차")

    @property
    def during(self) -> str:
        """``정전 대응 시``, ``보안 지침에서``."""
        return f"{self.topic} 시" if _ACTIVITY.search(self.topic) else f"{self.topic}에서"

    @property
    def event(self) -> str:
        """What has to happen for the procedure to begin: ``정전이 발생하면``; empty where it is no event."""
        found = _EVENT.match(self.topic)
        if found is None:
            return ""
        event = found["event"]
        if event.endswith(" 발견"):
            return f"{Word(event.removesuffix(' 발견')):을를} 발견하면"
        return f"{Word(event.removesuffix(' 발생')):이가} 발생하면"

    @property
    def subject(self) -> Word:
        """What it is about, its own heading too: ``출입 통제의 기준``."""
        if not self.nested or not self.heading or self.topic == self.heading:
            return self.heading or self.title
        return self.topic if self.role != "other" else Word(f"{self.topic}의 {self.heading}")

    @property
    def statements(self) -> tuple[str, ...]:
        """Every unit of text that may hold a rule: each step, point and paragraph."""
        return (*(step.text for step in self.steps), *self.points, *self.paragraphs)


def section_of(passage: Passage) -> Section:
    """Read a passage's structure."""
    names = [_name(heading) for heading in passage.headings]
    heading = names[-1] if names else ""
    texts = _texts(passage.blocks)
    steps = tuple(text for text in texts if isinstance(text, Step))
    role = _role(heading, passage.headings[-1] if names else "", steps)
    own = [name for name in names if name and _named_role(name) is None]
    inner = role in ("other", "steps", "people", "records") and len(own) > 1 and own[-1] == heading
    topic = own[-2] if inner else own[-1] if own else passage.title
    return Section(
        Word(passage.title),
        Word(topic or heading),
        Word(heading),
        role,
        steps,
        tuple(text for text in texts if isinstance(text, Point)),
        tuple(text for text in texts if isinstance(text, str) and not isinstance(text, Point)),
        tuple(map(_line, texts)),
        tuple(block for block in passage.blocks if isinstance(block, Table)),
        len(names) > 1,
    )


def tight(text: str) -> str:
    """A text with single blanks; letters that were spaced out are put together: ``구 분`` -> ``구분``."""
    words = text.split()
    spaced = 1 < len(words) <= 12 and all(len(word) == 1 and "가" <= word <= "힣" for word in words)
    return ("" if spaced else " ").join(words)


def asked(heading: str) -> str:
    """A heading that is a question, without what marks it as one (``Q.``); empty where it is none."""
    bare = _ASKED.sub("", _name(heading) if not _ASKED.match(heading) else heading).strip()
    return bare if _QUESTION.search(bare) and len(bare) > 5 else ""


def _name(heading: str) -> str:
    numbered = split_number(heading)
    rest = numbered.rest if numbered and numbered.rest else heading
    bracketed = _BRACKETED.fullmatch(rest)  # 제1조(목적)
    rest = bracketed[1] if bracketed else rest
    return tight(rest.strip("<>〈〉《》【】■□◆○● "))


def _role(name: str, heading: str, steps: tuple[Step, ...]) -> Role:
    if asked(heading):
        return "question"
    named = _named_role(name)
    acts = sum(doing(step.text.rpartition(". ")[2]) is not None for step in steps)
    if len(steps) > 2 and acts * 3 < len(steps) * 2:
        return "other" if named == "steps" else named or "other"
    return named or ("steps" if len(steps) > 2 else "other")


def _named_role(name: str) -> Role | None:
    bare = re.sub(r"\s*\([^)]*\)\s*\Z", "", name)
    return next((role for role, pattern in _ROLE if pattern.match(bare)), None)


def _texts(blocks: tuple[Block, ...]) -> list[Step | Point | str]:
    """Steps (with what is nested in them), points, paragraphs; no lines of a table of contents, no notes."""
    texts: list[Step | Point | str] = []
    for block in blocks:
        match block:
            case ListItem(text, _, marker, depth):
                last = texts[-1] if texts else None
                if depth and isinstance(last, Step):
                    texts[-1] = Step(last.marker, f"{last.text}\n- {text}")
                else:
                    texts.append(Step(marker, text) if _STEP_MARKER.fullmatch(marker) else Point(text))
            case Paragraph(text) if not _LEFT_OUT.search(text):
                found = _STEP_TEXT.fullmatch(text)
                texts.append(Step(*found.groups()) if found and is_sentence(text) else text)
            case _:
                pass
    return texts


def _line(text: Step | Point | str) -> str:
    if isinstance(text, Step):
        return f"{text.marker} {text.text}"
    return f"- {text}" if isinstance(text, Point) else text


def all_sentences(section: Section) -> list[str]:
    """Every sentence of the section's steps, points and paragraphs, in their order."""
    return [sentence for text in section.statements for sentence in sentences(text)]
