"""The generator without a model: which questions a section's structure gives, and what answers them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.pieces import Passage, Piece
from millhand.datasets.records import Source
from millhand.datasets.synthesize import outline
from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.outline_templates import TEMPLATES
from millhand.datasets.synthesize.outline_words import Word
from millhand.documents.document import Block, ListItem, Paragraph, Place, Table
from millhand.documents.read import read_document

P = Place("page", 3)
ALL = Options(chars_per_item=1, items_at_most=20, min_chars=1)


def piece(
    *blocks: Block, headings: Sequence[str] = ("제9장 정전 대응",), key: str = "", title: str = "보안 매뉴얼"
) -> Piece:
    source = Source("manual.pdf", "ab" * 32, place=str(P), section=" > ".join(headings), licence="CC0-1.0")
    passage = Passage(title, tuple(headings), blocks, key)
    return Piece("abab:page-3", source, passage=passage, split="test", cluster="c1")


def items(*texts: str, numbered: bool = False) -> list[ListItem]:
    return [ListItem(text, P, f"{n}." if numbered else "-") for n, text in enumerate(texts, 1)]


def asked(
    *blocks: Block, headings: Sequence[str] = ("제9장 정전 대응",), options: Options = ALL
) -> dict[str, str]:
    """Question -> answer of all that a passage gives."""
    made = [made.record for made in outline.records(piece(*blocks, headings=headings), options)]
    return {record.instruction: record.output for record in made if record}


def kinds(*blocks: Block, headings: Sequence[str] = ("제9장 정전 대응",)) -> set[str]:
    return {
        made.id.split("/")[1].split("-")[0]
        for made in outline.records(piece(*blocks, headings=headings), ALL)
    }


STEPS = items(
    "방재실 근무자는 5분 안에 정전 사실을 방송한다.",
    "비상발전기가 켜지지 않으면 수동으로 켠다.",
    "보안팀장은 출입문을 확인한다. 열린 곳에는 보안요원을 1명씩 세운다.",
    "시설팀 당직자는 연료를 30분마다 확인한다.",
    numbered=True,
)
PART = ("제9장 정전 대응", "9.5 수행 절차")


def test_steps_answer_as_a_whole_one_by_one_and_by_what_comes_before() -> None:
    found = asked(*STEPS, headings=PART)
    (whole,) = [answer for answer in found.values() if answer.startswith("1. ")]
    assert whole.split("\n")[1:3] == [
        "2. 비상발전기가 켜지지 않으면 수동으로 켭니다.",
        "3. 보안팀장은 출입문을 확인합니다. 열린 곳에는 보안요원을 1명씩 세웁니다.",
    ]
    question = next(question for question, answer in found.items() if answer == whole)
    assert question.startswith("정전이 발생하면 ")
    (following,) = [question for question in found if "보안팀장이 출입문을 확인한 " in question]
    assert found[following] == "시설팀 당직자는 연료를 30분마다 확인합니다."


def test_a_step_for_a_case_of_its_own_follows_nothing_and_is_not_the_last() -> None:
    steps = items("문을 닫는다.", "불을 끈다.", "연기가 나면 119에 신고한다.", numbered=True)
    found = asked(*steps, headings=("제1장 야간 순찰", "1.1 절차"))
    assert not any("불을 끈" in question for question in found)
    assert not any("마지막" in question for question in found)
    assert "연기가 나면 119에 신고합니다." in found.values()


def test_single_sentences_tell_conditions_amounts_and_who() -> None:
    found = asked(*STEPS, headings=PART)
    assert any(
        "비상발전기가 켜지지 않으면 " in q and a == "비상발전기가 켜지지 않으면 수동으로 켭니다."
        for q, a in found.items()
    )
    assert any("방재실 근무자는 몇 분 안에 정전 사실을 방송합니까?" in question for question in found)
    assert any("시설팀 당직자는 연료를 몇 분마다 확인합니까?" in question for question in found)
    (who,) = [
        question for question in found if "5분 안에 정전 사실을 방송하는 사람은 누구입니까?" in question
    ]
    assert found[who] == "방재실 근무자입니다. 방재실 근무자는 5분 안에 정전 사실을 방송합니다."


@pytest.mark.parametrize(
    ("heading", "blocks", "kind", "answer"),
    [
        ("1.1 목적", [Paragraph("사고를 막는다.", P)], "purpose", "사고를 막습니다."),
        ("1.2 적용 범위", [Paragraph("모든 층에 적용한다.", P)], "scope", "모든 층에 적용합니다."),
        (
            "1.3 주의사항",
            items("뛰지 않는다.", "밀지 않는다."),
            "cautions",
            "- 뛰지 않습니다.\n- 밀지 않습니다.",
        ),
        (
            "1.4 기록",
            items("일지는 1년간 보관한다.", "대장을 쓴다."),
            "records",
            "- 일지는 1년간 보관합니다.\n- 대장을 씁니다.",
        ),
        (
            "1.5 책임자",
            items("총괄: 보안팀장", "실행: 보안요원"),
            "people",
            "- 총괄: 보안팀장\n- 실행: 보안요원",
        ),
    ],
)
def test_a_part_is_asked_for_by_what_it_is(heading: str, blocks: list[Block], kind: str, answer: str) -> None:
    made = list(outline.records(piece(*blocks, headings=("제1장 출입 통제", heading)), ALL))
    (whole,) = [one.record for one in made if f"/{kind}-" in one.id]
    assert whole is not None
    assert "출입 통제" in whole.instruction
    assert whole.output == answer


def test_terms_persons_retention_and_what_is_forbidden() -> None:
    terms = asked(
        *items("순찰 지점: 태그를 붙인 곳을 말한다.", "집결지란 모이는 곳을 말한다."),
        headings=("순찰", "용어"),
    )
    assert "순찰 지점은 태그를 붙인 곳을 말합니다." in terms.values()
    assert "집결지는 모이는 곳을 말합니다." in terms.values()
    people = asked(*items("총괄: 보안팀장", "실행: 보안요원"), headings=("순찰", "책임자"))
    assert "순찰의 총괄 담당은 보안팀장입니다." in people.values()
    kept = asked(Paragraph("순찰 일지는 1년간 보관한다.", P), headings=("순찰", "기록"))
    assert any("순찰 일지는 얼마 동안 보관합니까?" in question for question in kept)
    banned = asked(
        *items("근무자는 로비는 비우지 않는다.", "물을 쓰지 않는다."), headings=("순찰", "주의 사항")
    )
    assert any("물을 쓰는 " in q and a == "아니요. 물을 쓰지 않습니다." for q, a in banned.items())


TABLE = Table(
    (
        ("시설", "점검 주기", "수량", "담당", "비고"),
        ("소화기", "매월", "12개", "보안요원", "-"),
        ("유도등", "분기", "30개", "시설팀", "없음"),
    ),
    P,
    1,
    "[표 8] 소방 시설의 점검",
)


def test_a_table_answers_by_cell_row_and_column() -> None:
    found = asked(TABLE, headings=("제8장 화재 대응", "8.6 소방 시설 점검"))
    cells = {a: q for q, a in found.items() if "\n" not in a}
    assert "유도등의 수량은 몇 개입니까?" in cells["유도등의 수량은 30개입니다."]
    assert "소화기의 점검 주기는 어떻게 됩니까?" in cells["소화기의 점검 주기는 매월입니다."]
    assert "소화기의 담당은 누구입니까?" in cells["소화기의 담당은 보안요원입니다."]
    assert "유도등의 비고는 없습니다." in cells
    assert not any(question.startswith("소화기의 비고") for question in found)
    assert any(a.endswith("- 점검 주기: 매월\n- 수량: 12개\n- 담당: 보안요원") for a in found.values())
    assert kinds(TABLE) == {"cell", "row", "column"}


def test_a_table_of_figures_takes_its_unit_and_its_periods_in_front() -> None:
    table = Table(
        (("과 목", "제55기", "제54기"), ("매출액", "258", "302"), ("영업이익", "6", "43")),
        P,
        1,
        "",
        "단위 : 조원",
    )
    found = asked(table, headings=("II. 재무", "가. 영업실적"))
    assert any(
        "제55기 매출액은 얼마입니까?" in q and a == "제55기 매출액은 258조원입니다." for q, a in found.items()
    )


@pytest.mark.parametrize(
    "table",
    [
        Table((("가", "나"), ("1", "2")), P, 1),
        Table((("가", "가"), ("1", "2"), ("3", "4")), P, 1),
        Table((("가", ""), ("1", "2"), ("3", "4")), P, 1),
        Table((("가", "나"), ("1", "2"), ("1", "4")), P, 1),
        Table((("가", "나"), ("1", "2"), ("3", "4")), P, 0),
        Table((("가", "나" * 50), ("1", "2"), ("3", "4")), P, 1),
        Table((), P, 1),
    ],
)
def test_a_table_without_names_of_its_own_is_not_asked_about(table: Table) -> None:
    assert asked(table) == {}


def test_rows_that_share_a_name_long_cells_and_what_parts_a_table_are_left_out() -> None:
    rows = (
        ("", "제 55 기"),
        ("자산", "자산"),
        ("현금 (주4,28)", "69"),
        ("기타", "1"),
        ("기타", "2"),
        ("비고", "점검한 결과 " * 30),
        ("합 계", "72"),
    )
    found = asked(Table(rows, P, 1, "당기", "단위 : 원"), headings=("II. 재무", "가. 재무상태표"))
    assert found == {
        "당기 재무의 재무상태표에서 제 55 기 현금은 얼마입니까?": "제 55 기 현금은 69원입니다.",
        "당기 재무의 재무상태표에서 제 55 기 합계는 얼마입니까?": "제 55 기 합계는 72원입니다.",
    }


def test_a_heading_that_asks_is_the_question() -> None:
    found = asked(
        Paragraph("A. 안내데스크에 신고하세요. 바로 정지합니다.", P),
        headings=("카드", "Q1. 카드를 잃어버렸는데 어떻게 하나요?"),
    )
    assert found == {"카드를 잃어버렸는데 어떻게 하나요?": "안내데스크에 신고하세요. 바로 정지합니다."}


def test_contents_front_matter_notes_and_lists_that_are_no_steps_are_left_out() -> None:
    assert asked(Paragraph("제1장 순찰 ........ 3", P), headings=("순찰",)) == {}
    assert (
        asked(
            Paragraph("이 매뉴얼은 보기이다. 실제 건물과는 아무런 관계가 없는 글이다.", P),
            headings=("일러두기",),
        )
        == {}
    )
    assert (
        asked(
            Paragraph("※ 표의 수는 2023년 말 현재이며 그 뒤에 바뀐 것은 넣지 않았다.", P), headings=("현황",)
        )
        == {}
    )
    names = items("명칭", "설립일", "본사의 주소", numbered=True)
    assert asked(*names, headings=("회사의 개요", "기본 정보")) == {}


def test_what_was_done_is_no_rule() -> None:
    told = Paragraph("환율이 오른 경우 당기 손익이 줄었다. 회사는 위험이 크면 선물을 사고 있다.", P)
    assert kinds(told, headings=("재무", "환위험")) <= {"about"}


def test_a_filing_is_named_in_the_question() -> None:
    told = Paragraph("당사는 반도체와 스마트폰과 텔레비전을 만들어 전 세계에 팔고 있으며 직원은 많다.", P)
    named = piece(told, headings=("II. 사업의 내용",), key="D-0-2-0-0", title="가나전자 사업보고서")
    (made,) = outline.records(named, ALL)
    assert made.record
    assert made.record.instruction.startswith("가나전자 사업보고서에 따르면 사업의 내용")


def test_a_clause_of_a_regulation_is_known_by_what_stands_in_its_brackets() -> None:
    told = Paragraph("이 규정은 건물에 드나드는 사람과 물건을 살펴 사고를 막는 것을 목적으로 한다.", P)
    (made,) = outline.records(piece(told, headings=("출입 관리 규정", "제1조(목적)")), ALL)
    assert "/purpose-" in made.id
    assert made.record
    assert "출입 관리 규정" in made.record.instruction


def test_a_record_keeps_its_source_split_and_cluster() -> None:
    made = list(outline.records(piece(*STEPS, headings=PART), ALL))
    assert len({one.id for one in made}) == len(made)
    for one in made:
        assert one.record
        assert one.record.source == one.source
        assert (one.split, one.cluster, one.passage) == ("test", "c1", None)
        assert one.source.generator == outline.GENERATOR
        assert one.source.prompt_sha256 == outline.prompt_sha256(ALL)
        assert (one.source.section, one.source.licence) == (" > ".join(PART), "CC0-1.0")
    assert outline.prompt_sha256(ALL) != outline.prompt_sha256(Options())


def test_the_quota_goes_by_length_and_gives_each_kind_its_turn() -> None:
    few = Options(chars_per_item=30, items_at_most=20, min_chars=1)
    assert len(asked(*STEPS, headings=PART, options=few)) == 4
    assert len(asked(*STEPS, headings=PART, options=Options(items_at_most=1, min_chars=1))) == 1
    assert asked(*STEPS, headings=PART, options=Options(min_chars=500)) == {}
    capped = Options(chars_per_item=1, items_at_most=6, min_chars=1)
    made = [
        one.id.split("/")[1].split("-")[0] for one in outline.records(piece(*STEPS, headings=PART), capped)
    ]
    assert len(set(made)) == 6


def test_a_markdown_of_questions_and_rules(tmp_path: Path) -> None:
    path = tmp_path / "faq.md"
    path.write_text(
        "# 안내\n\n## 주차 등록은 어떻게 합니까?\n\n총무 담당자에게 차량 번호를 알려 주세요.\n",
        encoding="utf-8",
    )
    (document,) = read_document(path).documents
    found = {}
    for sections in document.paths():
        found |= asked(*sections[-1].blocks, headings=[section.heading for section in sections])
    assert found == {"주차 등록은 어떻게 합니까?": "총무 담당자에게 차량 번호를 알려 주세요."}


def test_every_template_can_be_filled() -> None:
    names = (
        "topic procedure during event key done term condition asked actor name what how row column subject"
    )
    for wordings in TEMPLATES.values():
        for wording in wordings:
            filled = wording.format(**{name: Word("정전") for name in names.split()})
            assert "정전" in filled
            assert "{" not in filled


TEXTS = st.lists(
    st.sampled_from(
        [
            "보안요원은 문을 잠근다.",
            "불이 나면 5분 안에 119에 신고한다.",
            "총괄: 팀장",
            "매월 3일까지 (예외: 없음",
            "「규정",
            "다.",
            "면 한다.",
            "1. 2. 3.",
            "…… 3",
            "20~30분마다 본다.",
        ]
    ),
    max_size=6,
)
HEADINGS = st.lists(
    st.sampled_from(
        ["목적", "1. 절차", "용어", "주의 사항", "정전 대응", "", "대응", "Q. 왜요?", "제3장", "(1)"]
    ),
    max_size=3,
)


CELLS = st.sampled_from(
    ["소화기", "매월", "12", "△3", "-", "", "없음", "해당 없음", "문을 닫는다.", "(1", "제55기", "구 분"]
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width).map(tuple), max_size=5).map(tuple)
)


@given(rows=TABLES, heads=st.integers(0, 2), caption=st.sampled_from(["", "[표 1] 점검", "(기준일 : 오늘)"]))
def test_any_table_gives_sound_records(rows: tuple[tuple[str, ...], ...], heads: int, caption: str) -> None:
    table = Table(rows, P, heads, caption, "단위 : 원")
    made = list(outline.records(piece(table, headings=("점검", "기준")), ALL))
    assert len({one.id for one in made}) == len(made)
    assert all(one.record and one.record.output.strip() for one in made)


@given(texts=TEXTS, headings=HEADINGS, marks=st.sampled_from(["-", "1.", "①", ""]))
def test_any_passage_gives_the_same_sound_records_twice(
    texts: list[str], headings: list[str], marks: str
) -> None:
    blocks = [ListItem(text, P, marks) if marks else Paragraph(text, P) for text in texts]
    made = list(outline.records(piece(*blocks, headings=headings), ALL))
    assert made == list(outline.records(piece(*blocks, headings=headings), ALL))
    questions = [one.record.instruction for one in made if one.record]
    assert len(set(questions)) == len(questions) == len(made)
    assert all(one.record and one.record.output.strip() for one in made)
