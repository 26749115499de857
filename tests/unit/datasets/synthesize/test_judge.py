"""What the judge keeps and what it does not, by passages of the kind that people have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.synthesize.ground import Ground
from millhand.datasets.synthesize.judge import faults, hangul_names, question_faults, question_key

MANUAL = """\
경비 매뉴얼
3장 출입 통제
본관 정문은 오전 9시에 열고 오후 6시 30분에 닫는다.
방문증은 하루 1,200장까지 발급하며, 분실하면 5만 원을 낸다.
순찰은 2명이 함께 30분마다 하고, CCTV 24대를 살핀다. 책임자는 김철수 팀장이다.
점검일은 2024년 3월 5일이고, 근거는 산업안전보건법 제12조의2와 ISO 45001이다. 지난해 사고는 5% 감소했다.
1. 경보기를 끈다
2. 출입문을 잠근다
3. 일지에 적는다"""
TABLE = """\
영업 실적
(단위 : 백만원, %)
구분\t2023년\t2024년\t증감률
매출액\t1,234\t1,500\t21.6
영업이익\t(120)\t△35\t-
구분\t인원(명)
경비\t12"""
Q = "출입 통제는 어떻게 하나요?"


def codes(answer: str, question: str = Q, passage: str = MANUAL) -> list[str]:
    return [fault.code for fault in faults(question, answer, Ground(passage))]


@pytest.mark.parametrize(
    "answer",
    [
        "본관 정문은 오전 9시에 열고 오후 6시 30분에 닫습니다.",
        "본관 정문은 9시에 열고 18:30에 닫습니다.",
        "방문증은 하루 1200장까지 발급합니다.",
        "방문증은 하루 천이백 장까지 발급합니다.",
        "방문증을 분실하면 50,000원을 냅니다.",
        "순찰은 두 명이 함께 30분마다 합니다.",
        "순찰은 2인이 CCTV 24대를 살피며 합니다.",
        "책임자는 김철수 팀장입니다.",
        "점검일은 2024-03-05입니다.",
        "점검일은 '24. 3. 5.입니다.",
        "점검은 2024년 3월에 했습니다.",
        "근거는 산업안전보건법 제12조의2와 ISO 45001입니다.",
        "지난해 사고는 5% 줄었습니다.",
        "사고 증감률은 -5%로, 감소했습니다.",
        "1. 경보기를 끕니다.\n2. 출입문을 잠급니다.\n3. 일지에 적습니다.",
        "1단계: 경보기를 끄고, 2단계: 출입문을 잠그고, 일지에 적는 3단계로 끝냅니다.",
        "'출입문'을 잠급니다.",
        "다음 세 가지를 합니다.\n1. 경보기를 끕니다.\n2. 출입문을 잠급니다.\n3. 일지에 적습니다.",
        "출입문을 두 번째로 잠급니다.",
        "출입문은 세 단계로 잠급니다.",
        "다음 두 가지입니다.\n- 경보기를 끕니다.\n- 출입문을 잠급니다.",
    ],
)
def test_what_stands_in_the_passage_is_kept(answer: str) -> None:
    assert codes(answer) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("", "empty"),
        (" … ", "empty"),
        ("방문증은 하루 1,300장까지 발급합니다.", "number"),
        ("방문증은 하루 1,200명까지 발급합니다.", "number"),
        ("방문증을 분실하면 5만 달러를 냅니다.", "number"),
        ("방문증을 분실하면 5천 원을 냅니다.", "number"),
        ("순찰은 30시간마다 합니다.", "number"),
        ("순찰은 세 명이 합니다.", "number"),
        ("출입문은 7단계로 잠급니다.", "number"),
        ("다음 네 가지입니다.\n- 경보기를 끕니다.\n- 출입문을 잠급니다.", "number"),
        ("본관 정문은 오전 6시 30분에 닫습니다.", "date"),
        ("점검일은 2024년 3월 6일입니다.", "date"),
        ("점검일은 2023년 3월 5일입니다.", "date"),
        ("근거는 제12조의3입니다.", "reference"),
        ("근거는 ISO 9001입니다.", "reference"),
        ("책임자는 박영희 팀장입니다.", "name"),
        ("정문은 RFID로 엽니다.", "name"),
        ("'비상문'을 잠급니다.", "name"),
        ("한국보안협회가 점검합니다.", "name"),
        ("개인정보보호법에 따라 본관 정문을 닫습니다.", "name"),
        ("봄에는 꽃이 피고 새가 노래하며 바람이 붑니다.", "words"),
        ("죄송합니다. 답변을 드릴 수 없습니다.", "refusal"),
        ("지문에서 해당 내용을 찾을 수 없습니다.", "refusal"),
        ("I'm sorry, I cannot answer.", "refusal"),
        ("위 문서에 따르면 정문은 9시에 엽니다.", "pointing"),
    ],
)
def test_what_does_not_stand_there_is_told(answer: str, code: str) -> None:
    assert codes(answer)[0] == code


@pytest.mark.parametrize(
    "question",
    [
        "위 문서에서 정문은 언제 여나요?",
        "이 표의 내용은 무엇인가요?",
        "다음 지문의 절차는?",
        "본문에 따르면 순찰은 몇 명이 하나요?",
        "지문에서 설명하는 절차는 무엇인가요?",
        "What does the passage above say?",
        "According to the text, who patrols?",
    ],
)
def test_a_question_that_points_at_the_passage_is_not_kept(question: str) -> None:
    assert [fault.code for fault in question_faults(question, Ground(MANUAL))] == ["pointing"]


@pytest.mark.parametrize(
    "question",
    [
        "문서 파기는 어떻게 하나요?",
        "표준 절차는 무엇인가요?",
        "위험 구역은 어디인가요?",
        "신분증 표시는 무엇인가요?",
        "이 글자의 뜻은?",
    ],
)
def test_a_question_about_documents_is_no_pointing(question: str) -> None:
    assert question_faults(question, Ground(MANUAL)) == []


def test_a_question_with_a_year_that_is_not_there_is_not_kept() -> None:
    assert [f.code for f in question_faults("2019년 점검일은 언제인가요?", Ground(MANUAL))] == ["date"]


@pytest.mark.parametrize(
    "answer",
    [
        "2024년 매출액은 1,500백만원입니다.",
        "2024년 매출액은 15억 원입니다.",
        "매출액은 21.6% 늘었습니다.",
        "2023년 영업이익은 -120백만원입니다.",
        "2024년 영업이익은 35백만원 적자, 곧 손실입니다.",
        "경비 인원은 12명입니다.",
    ],
)
def test_a_cell_has_the_unit_of_its_table(answer: str) -> None:
    assert codes(answer, "영업 실적은 어떠한가요?", TABLE) == []


@pytest.mark.parametrize(
    "answer",
    ["매출액은 1,500억원입니다.", "2024년 영업이익은 35백만원 흑자입니다.", "경비 인원은 12시간입니다."],
)
def test_a_cell_with_another_unit_or_sign_is_not_kept(answer: str) -> None:
    assert codes(answer, "영업 실적은 어떠한가요?", TABLE) == ["number"]


def test_a_refusal_that_the_passage_itself_words_is_an_answer() -> None:
    passage = "상담원은 '죄송합니다, 고객님'이라고 먼저 말하고 담당 부서로 연결한다."
    assert (
        codes("'죄송합니다, 고객님'이라고 먼저 말합니다.", "상담원은 먼저 무엇이라고 말하나요?", passage)
        == []
    )


def test_hangul_names_as_far_as_a_rule_can_tell() -> None:
    text = "김철수 팀장과 이영희 대표가 한국전력공사와 개인정보보호위원회에 보고한다. 담당 부장, 사용방법."
    assert list(hangul_names(text)) == ["김철수", "이영희", "한국전력공사", "개인정보보호위원회"]


@given(st.text(max_size=80))
def test_blanks_and_marks_do_not_make_another_question(question: str) -> None:
    assert question_key(question) == question_key(f"  {question.replace(' ', '  ')}?!")


_SENTENCES = st.lists(
    st.sampled_from([line for line in MANUAL.splitlines() if "." in line]).flatmap(
        lambda line: st.sampled_from([part + "." for part in line.split(".") if part.strip()])
    ),
    min_size=1,
    max_size=4,
)


@given(_SENTENCES)
def test_what_is_copied_from_the_passage_is_always_grounded(chosen: list[str]) -> None:
    assert codes(" ".join(chosen)) == []


@given(st.integers(0, 10**9), st.sampled_from(["명", "원", "장", "분", "대", "%", "층", "kg"]))
def test_a_number_that_is_not_there_is_never_kept(value: int, unit: str) -> None:
    there = {("1200", "장"), ("50000", "원"), ("2", "명"), ("30", "분"), ("24", "대"), ("5", "%")}
    found = codes(f"출입 통제는 {value:,}{unit}입니다.")
    assert (found == []) == ((str(value), unit) in there)


@given(st.text(max_size=120), st.text(max_size=120), st.text(max_size=200))
def test_any_texts_can_be_judged(question: str, answer: str, passage: str) -> None:
    faults(question, answer, Ground(passage))
