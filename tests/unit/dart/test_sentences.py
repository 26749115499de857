"""The sentences that tables become: units, periods, changes; what is not sure is left out."""

from __future__ import annotations

import msgspec
import pytest

from millhand.dart.entries import clean_label, close_up
from millhand.dart.notes import split_notes
from millhand.dart.sentences import facts_of
from millhand.documents.document import Paragraph, Section, Table
from tests.unit.dart.tables import CAPTION, PLACE, document, facts, left_out, sentences, table


def test_a_statement_becomes_sentences() -> None:
    made = sentences(
        table(
            "| 제 55 기 | 제 54 기", "자산 ||", "매출채권 (주4,5) | 36,647,393 | 35,721,563", caption=CAPTION
        )
    )
    assert made == [
        "가나전자의 연결 재무상태표에서 매출채권은 제55기(2023.12.31 현재) 36,647,393백만원"
        "(36조 6,473억 9,300만원)으로, 제54기(2022.12.31 현재)의 35,721,563백만원보다 "
        "925,830백만원(2.6%) 증가하였습니다.",
        "가나전자의 연결 재무상태표에서 매출채권은 제54기(2022.12.31 현재) 35,721,563백만원"
        "(35조 7,215억 6,300만원)입니다.",
    ]


@pytest.mark.parametrize(
    ("now", "before", "end"),
    [
        ("120", "100", "100백만원보다 20백만원(20.0%) 증가하였습니다."),
        ("80", "100", "100백만원보다 20백만원(20.0%) 감소하였습니다."),
        ("100", "100", "100백만원과 같습니다."),
        ("0", "100", "100백만원보다 100백만원(100.0%) 감소하였습니다."),
        ("100", "0", "0백만원에서 100백만원 증가하였습니다."),
        ("(50)", "100", "100백만원에서 150백만원 감소하였습니다."),
        ("50", "△100", "-100백만원에서 150백만원 증가하였습니다."),
        ("△50", "△100", "-100백만원에서 음(-)의 크기가 50백만원 줄었습니다."),
        ("(150)", "(100)", "-100백만원에서 음(-)의 크기가 50백만원 늘었습니다."),
        ("0", "(100)", "-100백만원에서 100백만원 증가하였습니다."),
        ("100", "-", "100백만원(1억원)입니다."),
        ("10,000,001", "10,000,000", "10,000,000백만원보다 1백만원(0.1% 미만) 증가하였습니다."),
    ],
)
def test_the_change_is_said_by_its_signs(now: str, before: str, end: str) -> None:
    first = sentences(table("구분 | 제55기 | 제54기", f"이익 | {now} | {before}"))[0]
    assert first.endswith(end)


def test_percentages_change_by_points() -> None:
    made = sentences(table("구분 | 제55기 | 제54기", "부채비율 | 25.4% | 26.4%", unit="단위 : %"))
    assert made[0].endswith("25.4%로, 제54기의 26.4%보다 1.0%p 감소하였습니다.")


def test_what_is_counted_in_something_else_is_left_out_unless_it_says_so() -> None:
    rows = (
        "구분 | 제55기",
        "기본주당이익 | 2,131",
        "배당성향 | 25",
        "이자율 | 4",
        "인원 | 12",
        "직원 수 | 3",
    )
    assert sentences(table(*rows)) == []
    assert left_out(table(*rows)) == {"unit": 5}
    told = sentences(
        table("구분 | 제55기", "기본주당이익(단위 : 원) | 2,131", "회사수 | 233개", "이자율(%) | 4")
    )
    assert [sentence.split("제55기 ")[1] for sentence in told] == [
        "2,131원입니다.",
        "233개입니다.",
        "4%입니다.",
    ]


def test_of_two_units_only_what_is_sure_is_taken() -> None:
    made = facts(
        table(
            "부문 | 구분 | 제55기 | 제55기 | 제54기 | 제54기",
            "부문 | 구분 | 금액 | 비중 | 금액 | 비중",
            "DX 부문 | 매출액 | 1,699 | 65.7% | 1,824 | 60.4%",
            unit="단위 : 억원, %",
            head=2,
        )
    )
    assert [(fact.account, fact.value, fact.unit) for fact in made] == [
        ("DX 부문의 매출액", "1699", "억원"),
        ("DX 부문의 매출액 비중", "65.7", "%"),
        ("DX 부문의 매출액", "1824", "억원"),
        ("DX 부문의 매출액 비중", "60.4", "%"),
    ]
    assert left_out(table("구분 | 제55기", "매출 | 12", unit="단위 : 억원, %")) == {"unit": 1}
    rate = table("구분 | 제55기", "구분 | 금액", "이자율 | 4", unit="단위 : 억원, %", head=2)
    assert left_out(rate) == {"unit": 1}


def test_two_columns_of_a_period_give_the_one_number_that_is_there() -> None:
    made = facts(
        table(
            "과 목 | 주석 | 제 55 (당) 기 | 제 55 (당) 기 | 제 54 (전) 기 | 제 54 (전) 기",
            "Ⅰ. 유 동 자 산 | | | 68,548 | | 59,062",
            "1. 현금및현금성자산 | 4, 28 | 6,061 | | 3,921 |",
            "2. 유형 자산 | | 1 | 2 | 3 | 3",
        )
    )
    assert [(fact.account, fact.value) for fact in made] == [
        ("유동자산", "68548"),
        ("유동자산", "59062"),
        ("현금및현금성자산", "6061"),
        ("현금및현금성자산", "3921"),
        ("유형 자산", "3"),
    ]


def test_an_account_that_stands_twice_is_left_out() -> None:
    one = table("구분 | 제55기 | 제54기", "ㆍ기타 | 1 | 2", "ㆍ매출채권 | 3 | 4", "ㆍ기타 | 5 | 6")
    assert {fact.account for fact in facts(one)} == {"매출채권"}
    assert left_out(one) == {"label": 4}


def test_a_row_in_the_table_may_date_the_columns_anew() -> None:
    made = facts(
        table(
            "구 분 | 제55기 | 제54기",
            "| 2023년 12월말 | 2022년 12월말",
            "자산총계 | 10 | 9",
            "평가방법 | 원가법 | 원가법",
            "| 2023년 1월~12월 | 2022년 1월~12월",
            "매출액 | 5 | 4",
        )
    )
    assert [(fact.account, fact.dated) for fact in made] == [
        ("자산총계", "2023년 12월말"),
        ("자산총계", "2022년 12월말"),
        ("매출액", "2023년 1월~12월"),
        ("매출액", "2022년 1월~12월"),
    ]


def test_a_new_header_inside_ends_what_is_read() -> None:
    one = table("구분 | 제55기 | 제54기", "자산 | 10 | 9", "구 분 | 수량 | 비율", "부채 | 5 | 4")
    assert {fact.account for fact in facts(one)} == {"자산"}
    assert left_out(one) == {"number": 2}


def test_periods_to_come_are_none() -> None:
    assert facts(table("구분 | 2023년 | 2024년 | 2025년", "상환 예정 | 1 | 2 | 3")) == []
    assert len(facts(table("구분 | 2023년 | 2022년", "매출 | 1 | 2"))) == 2


def test_a_table_without_unit_or_period_is_left_out() -> None:
    assert left_out(table("구분 | 제55기", "매출 | 1", unit="")) == {}
    assert left_out(table("구분 | 기초 | 기말", "토지 | 1 | 2")) == {"table": 1}


def test_a_table_of_this_year_is_compared_with_the_one_of_the_last() -> None:
    rows = ("| 총장부금액 | 손상차손누계", "매출채권 | {} | ({})")
    now = table(*(row.format("37,026", "355") for row in rows), caption="설명 당기")
    before = table(*(row.format("36,238", "312") for row in rows), caption="전기")
    told = sentences(now, before, heading="7. 매출채권 (연결)", key="D-0-3-3-0")
    assert told[0] == (
        "가나전자의 매출채권 (연결)에서 매출채권(총장부금액)은 당기 37,026백만원(370억 2,600만원)으로, "
        "전기의 36,238백만원보다 788백만원(2.2%) 증가하였습니다."
    )
    assert told[1].endswith("-312백만원에서 음(-)의 크기가 43백만원 늘었습니다.")
    assert len(told) == 4
    other = table("| 다른 것 | 손상차손누계", "매출채권 | 1 | (2)", caption="전기")
    assert "전기의" not in "".join(sentences(now, other))


def test_terms_are_dated_by_the_documents_captions() -> None:
    statement = table("| 제 55 기 | 제 54 기", "자산 | 1 | 2", caption=CAPTION)
    note = table("| 공시금액", "급여 | 3", caption="당기")
    later = table("구분 | 제55기", "매출액 | 4")
    told = sentences(statement, note, later)
    assert " 당기(2023년) 3백만원" in told[2]
    assert " 제55기(2023년) 4백만원" in told[3]


def test_separate_statements_are_said_to_be_so_beside_consolidated_ones() -> None:
    one = table("| 제 55 기", "자산 | 1", caption="재무상태표 제 55 기 2023.12.31 현재")
    assert "가나전자의 재무상태표에서" in sentences(one, key="D-0-3-4-0")[0]
    group = Section("2. 연결재무제표", 1, PLACE, "", "D-0-3-2-0", (one,))
    own = Section("4. 재무제표", 1, PLACE, "", "D-0-3-4-0", (one,))
    found, _ = facts_of(msgspec.structs.replace(document(), sections=(group, own)))
    assert [each.facts[0].source for each in found] == ["연결 재무상태표", "별도 재무상태표"]


def test_a_share_of_one_is_not_taken_for_percent() -> None:
    one = table(
        "구분 | 제55기",
        "지분율(%) | 1.000",
        "이자율(%) | 0.237",
        "배당률(%) | 10.831",
        "할인율(%) | 4.2",
        "비율 | 0.5%",
    )
    assert [(fact.account, fact.value) for fact in facts(one)] == [("할인율", "4.2"), ("비율", "0.5")]
    assert left_out(one) == {"unit": 3}


def test_the_title_above_an_audited_statement_gives_its_unit_and_dates() -> None:
    title = Table(
        (
            ("재 무 상 태 표", "재 무 상 태 표"),
            ("제 55 기 : 2023년 12월 31일 현재", ""),
            ("가나전자", "(단위 : 백만원)"),
        ),
        PLACE,
    )
    one = table("과 목 | 주석 | 제 55 (당) 기", "Ⅰ. 유 동 자 산 | 4 | 68,548", unit="")
    told = sentences(title, one, heading="(첨부)재무제표", kind="dart-audit-consolidated")
    assert told == [
        "가나전자의 연결감사보고서의 재무상태표에서 유동자산은 제55기(2023.12.31 현재) 68,548백만원"
        "(685억 4,800만원)입니다."
    ]


def test_the_notes_of_an_audit_report_are_parted_by_their_numbers() -> None:
    note = table("구 분 | 당기말 | 전기말", "매출채권 | 3 | 2")
    blocks = (
        Paragraph("제 55 기", PLACE),
        Paragraph("1. 일반적 사항:가나전자는", PLACE),
        Paragraph("3. 순서가 아닌 줄", PLACE),
        Paragraph("2. 매출채권:", PLACE),
        note,
    )
    whole = document(*blocks, heading="주석", kind="dart-audit")
    parted = split_notes(whole)
    assert [path[-1].heading for path in parted.paths()] == ["주석", "1. 일반적 사항", "2. 매출채권"]
    assert parted.text().replace("\n", "").replace(":", "") == whole.text().replace("\n", "").replace(":", "")
    found, _ = facts_of(parted)
    assert "주석 2. 매출채권에서 매출채권은 당기말" in found[0].facts[0].sentence
    assert facts_of(whole)[1]["source"] == 2
    assert split_notes(document(*blocks, heading="주석")) == document(*blocks, heading="주석")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Ⅰ. 유 동 자 산", "유동자산"),
        ("ㆍ매출채권 (주4,28)", "매출채권"),
        ("[유동자산]", "유동자산"),
        ("영업이익(손실) (주 29)", "영업이익(손실)"),
        ("(1) 기초 잔액", "기초 잔액"),
        ("이익 (*4)", "이익"),
        ("가. 당기순이익", "당기순이익"),
        ("÷ 주식수", "주식수"),
    ],
)
def test_labels_are_cleaned(label: str, name: str) -> None:
    assert clean_label(label) == name


def test_words_spaced_out_are_closed_up() -> None:
    assert close_up("재 무 상 태 표") == "재무상태표"
    assert close_up("자산 총계") == "자산 총계"


def test_an_interim_report_is_compared_with_the_same_span_of_the_year_before() -> None:
    caption = (
        "연결 손익계산서 제 56 기 3분기 2024.01.01 부터 2024.09.30 까지 "
        "제 55 기 3분기 2023.01.01 부터 2023.09.30 까지"
    )
    one = table(
        "| 제 56 기 3분기 | 제 56 기 3분기 | 제 55 기 3분기 | 제 55 기 3분기",
        "| 3개월 | 누적 | 3개월 | 누적",
        "매출액 | 79 | 225 | 67 | 191",
        caption=caption,
        head=2,
    )
    told = [sentence.split("에서 ")[1] for sentence in sentences(one)]
    assert told == [
        "매출액은 제56기 3분기 3개월 79백만원(7,900만원)으로, 제55기 3분기 3개월의 67백만원보다 "
        "12백만원(17.9%) 증가하였습니다.",
        "매출액은 제56기 3분기 누적(2024.01.01~2024.09.30) 225백만원(2억 2,500만원)으로, "
        "제55기 3분기 누적(2023.01.01~2023.09.30)의 191백만원보다 34백만원(17.8%) 증가하였습니다.",
        "매출액은 제55기 3분기 3개월 67백만원(6,700만원)입니다.",
        "매출액은 제55기 3분기 누적(2023.01.01~2023.09.30) 191백만원(1억 9,100만원)입니다.",
    ]


def test_an_interim_balance_sheet_is_compared_with_the_last_years_end() -> None:
    caption = "연결 재무상태표 제 56 기 1분기말 2024.03.31 현재 제 55 기말 2023.12.31 현재"
    told = sentences(table("| 제 56 기 1분기말 | 제 55 기말", "자산총계 | 12 | 10", caption=caption))
    assert "제56기 1분기말(2024.03.31 현재) 12백만원" in told[0]
    assert "제55기말(2023.12.31 현재)의 10백만원보다 2백만원(20.0%) 증가" in told[0]


def test_shares_and_heads_are_not_taken_for_ratios_or_money() -> None:
    rows = ("구분 | 제55기", "보통주 | 5,969", "지분율 | 12.3", "취득금액 | 7")
    assert [fact.account for fact in facts(table(*rows, unit="단위 : 주"))] == ["보통주"]
    assert [fact.unit for fact in facts(table("구분 | 제55기", "이자율 | 4", unit="단위 : %"))] == ["%"]


def test_of_what_a_caption_dates_twice_no_date_is_said() -> None:
    told = sentences(
        table("| 제 55 기", "자산 | 1", caption="재무상태표 제 55 기 2023.12.31 현재"),
        table("| 제 55 기", "매출 | 2", caption="손익계산서 제 55 기 2022.01.01 부터 2022.12.31 까지"),
        table("구분 | 제55기", "기타자산 | 3"),
    )
    assert "제55기(2023.12.31 현재) 1백만원" in told[0]
    assert "제55기 3백만원" in told[2]
