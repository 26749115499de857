"""Mappings: asked for, found, proposed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.mapping import TARGETS, parse_mapping, propose_mapping, resolve_mapping
from millhand.errors import FindingsError, UsageError


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        (["번호", "질문", "답변", "작성일"], {"instruction": "질문", "output": "답변"}),
        (["Question ", "Answer"], {"instruction": "Question ", "output": "Answer"}),
        (["질문내용", "답변 내용", "비고"], {"instruction": "질문내용", "output": "답변 내용"}),
        (["질문자", "질문", "답변자", "답변"], {"instruction": "질문", "output": "답변"}),
        (["지시", "입력", "출력"], {"instruction": "지시", "input": "입력", "output": "출력"}),
        (["prompt", "query", "response"], {"instruction": "prompt", "input": "query", "output": "response"}),
        (["query", "response"], {"instruction": "query", "output": "response"}),
        (
            ["instruction", "output", "system"],
            {"instruction": "instruction", "output": "output", "system": "system"},
        ),
        (
            ["prompt", "chosen", "rejected"],
            {"instruction": "prompt", "chosen": "chosen", "rejected": "rejected"},
        ),
        (["번호", "지시", "민원", "답변"], {"instruction": "지시", "input": "민원", "output": "답변"}),
        (["q", "a"], {"instruction": "q", "output": "a"}),
    ],
)
def test_korean_and_english_names_are_proposed(columns: list[str], mapping: dict[str, str]) -> None:
    assert propose_mapping("qa.csv", columns) == mapping


@pytest.mark.parametrize(
    ("columns", "lacking"), [(["가", "답변"], "instruction"), (["질문", "나"], "output")]
)
def test_names_that_do_not_tell_give_the_command_to_type(columns: list[str], lacking: str) -> None:
    with pytest.raises(FindingsError) as caught:
        propose_mapping("qa.csv", columns)
    finding = caught.value.findings[0]
    assert finding.id == "data.missing-column"
    assert lacking in finding.message
    assert ", ".join(columns) in finding.message
    assert f"--map 'instruction={columns[0]},output={columns[1]}'" in finding.mend


def test_a_mapping_is_read_with_commas_and_equals_signs_in_names() -> None:
    assert parse_mapping(["instruction=질문, 문의=1,output = 답변", "input=본문"]) == {
        "instruction": "질문, 문의=1",
        "output": "답변",
        "input": "본문",
    }


_NAME = st.from_regex(r"[가-힣a-z][가-힣a-z ,]{0,8}[가-힣a-z]", fullmatch=True)


@given(st.dictionaries(st.sampled_from(TARGETS), _NAME, min_size=1))
def test_any_mapping_round_trips(mapping: dict[str, str]) -> None:
    text = ",".join(f"{target}={column}" for target, column in mapping.items())
    assert parse_mapping([text]) == mapping


@pytest.mark.parametrize("text", ["질문", "instruction=", "=질문", "instruction=a,instruction=b"])
def test_a_mapping_of_another_form_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="--map"):
        parse_mapping([text])


def test_all_unknown_targets_are_named_with_the_nearest() -> None:
    with pytest.raises(FindingsError) as caught:
        parse_mapping(["instrction=질문,ouput=답변"])
    assert [finding.mend for finding in caught.value.findings] == [
        "Did you mean 'instruction'?",
        "Did you mean 'output'?",
    ]


def test_a_missing_column_is_named_with_those_there_and_the_nearest() -> None:
    with pytest.raises(FindingsError) as caught:
        resolve_mapping("qa.csv", ["질문", "답변내역"], {"instruction": "질문", "output": "답변내용"})
    finding = caught.value.findings[0]
    assert finding.message == "has no column '답변내용'; it has 질문, 답변내역"
    assert finding.mend == "Did you mean '답변내역'?"


def test_a_decomposed_or_blank_padded_name_finds_its_column() -> None:
    wanted = {"instruction": unicodedata.normalize("NFD", "질문"), "output": " 답변"}
    assert resolve_mapping("qa.csv", ["질문", "답변"], wanted) == {"instruction": "질문", "output": "답변"}


def test_one_column_for_two_targets_is_refused() -> None:
    with pytest.raises(FindingsError, match="mapped to instruction and output"):
        resolve_mapping("qa.csv", ["질문"], {"instruction": "질문", "output": "질문"})


def test_a_mapping_without_an_answer_is_refused() -> None:
    with pytest.raises(FindingsError, match="no column is known as the output"):
        resolve_mapping("qa.csv", ["질문", "답"], {"instruction": "질문"})
