import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.dart.reports import (
    CODES,
    Named,
    parse_reports,
    parse_years,
    read_name,
    report_of,
    report_of_period,
    year_end_month,
)
from millhand.errors import UsageError
from tests.unit.documents.real import real


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("사업보고서 (2023.12)", Named("annual", 2023, 12)),
        ("[기재정정]사업보고서 (2023.12)", Named("annual", 2023, 12, "[기재정정]")),
        ("[첨부정정][기재정정]반기보고서 (2023.06)", Named("half", 2023, 6, "[첨부정정][기재정정]")),
        ("분기보고서 (2024.03)", Named("quarter", 2024, 3)),
        ("[첨부추가]소액공모법인결산서류 (2023.12)", None),
        ("사업보고서", None),
        ("사업보고서 (2023.13)", None),
        ("주요사항보고서(자기주식취득결정)", None),
    ],
)
def test_a_name_says_kind_and_month(name: str, expected: Named | None) -> None:
    assert read_name(name) == expected


@pytest.mark.parametrize(("end", "first", "third"), [(12, 3, 9), (3, 6, 12), (6, 9, 3), (9, 12, 6)])
def test_a_quarter_is_told_by_the_end_of_the_business_year(end: int, first: int, third: int) -> None:
    annual, half = Named("annual", 2023, end), Named("half", 2023, (end + 5) % 12 + 1)
    assert year_end_month([annual]) == year_end_month([half]) == year_end_month([half, annual]) == end
    assert report_of(Named("quarter", 2023, first), end) == "q1"
    assert report_of(Named("quarter", 2023, third), end) == "q3"
    assert report_of(Named("quarter", 2023, end), end) is None


def test_without_a_year_end_it_is_december() -> None:
    assert year_end_month([Named("quarter", 2023, 3)]) is None
    assert report_of(Named("quarter", 2023, 3), None) == "q1"
    assert report_of(Named("quarter", 2023, 6), None) is None


def test_the_last_annual_report_says_when_the_year_ends() -> None:
    names = [Named("annual", 2021, 3), Named("annual", 2022, 12), Named("half", 2024, 3)]
    assert year_end_month(names) == 12


@given(st.integers(1990, 2090), st.integers(1, 12), st.sampled_from([("q1", 3), ("q3", 9)]))
def test_a_period_of_three_months_is_the_first_quarter(year: int, month: int, kind: tuple[str, int]) -> None:
    report, months = kind
    last = year * 12 + month - 1 + months - 1
    end = f"{last // 12}{last % 12 + 1:02}28"
    assert report_of_period("분기보고서", f"{year}{month:02}01", end) == report


def test_periods_that_are_none_say_nothing() -> None:
    assert report_of_period("분기보고서", "", "20230331") is None
    assert report_of_period("분기보고서", "20231301", "20230331") is None
    assert report_of_period("분기보고서", "20230101", "20230630") is None
    assert report_of_period("감사보고서", "20230101", "20231231") is None
    assert report_of_period("사업보고서", "", "") == "annual"


def test_years_and_reports_are_parsed() -> None:
    assert parse_years("2021-2023") == range(2021, 2024)
    assert parse_years(" 2023 ") == range(2023, 2024)
    assert parse_reports("q3, annual") == ("annual", "q3")
    assert parse_reports("all") == tuple(CODES)
    for wrong in ("2023-2021", "23", "2023-", "", "1980"):
        with pytest.raises(UsageError):
            parse_years(wrong)
    for wrong in ("", "yearly", "annual,q2"):
        with pytest.raises(UsageError):
            parse_reports(wrong)


def test_real_names_are_read() -> None:
    listed = json.loads(real("dart/list_json_samsung_2023.json").read_text(encoding="utf-8"))["list"]
    assert [read_name(filing["report_nm"]) for filing in listed] == [
        Named("quarter", 2024, 3),
        Named("annual", 2023, 12),
    ]
    text = real("dart/list_json_corp_code_optional_2024.yaml").read_text(encoding="utf-8")
    names = re.findall(r'"report_nm": "([^"]*)"', text)
    assert len(names) == 100
    assert [name for name in names if read_name(name) is None] == ["[첨부추가]소액공모법인결산서류 (2023.12)"]
