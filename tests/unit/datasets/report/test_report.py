"""The page: it holds what it should, nothing that it should not, and is the same each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.built import StepReport
from millhand.datasets.report.facts import Ruler
from millhand.datasets.report.made import read_failures
from millhand.datasets.report.page import Report, make_report, render
from millhand.datasets.steps.base import Sample, Tally
from millhand.errors import Finding, UsageError
from tests.unit.datasets.report.test_markup import Read
from tests.unit.datasets.review.conftest import Built, built, qa

__all__ = ["built"]
_CHARACTERS = Ruler(lambda record: len("\n".join(record.texts())), why="Lengths are in characters.")
_PHONE = "010-1234-5678"
_SECTIONS = [
    "sources",
    "steps",
    "lengths",
    "duplicates",
    "personal",
    "splits",
    "generation",
    "findings",
    "rows",
]


def _report(built: Built, ruler: Ruler = _CHARACTERS) -> Report:
    return make_report(built.registry, "qa", ruler)


def _page(built: Built, ruler: Ruler = _CHARACTERS) -> str:
    return render(_report(built, ruler))


def _words(page: str) -> str:
    return " ".join("".join(Read(page).texts).split())


def test_the_page_needs_nothing_but_itself(built: Built) -> None:
    built.build(qa(40))
    read = Read(_page(built))
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(read.tags)
    links = [value for _, name, value in read.attributes if name in ("href", "src", "action")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    assert "url(" not in _page(built)
    assert "@import" not in _page(built)


def test_every_part_is_there_and_the_menu_leads_to_it(built: Built) -> None:
    built.build(qa(40))
    read = Read(_page(built))
    assert [value for tag, name, value in read.attributes if (tag, name) == ("section", "id")] == _SECTIONS
    assert [value[1:] for tag, name, value in read.attributes if (tag, name) == ("a", "href")] == _SECTIONS


def test_the_same_dataset_gives_the_same_page(built: Built) -> None:
    built.build(qa(40))
    first = _page(built)
    assert first == _page(built)
    assert str(built.workspace.root) not in first
    assert render(make_report(built.registry, "qa", _CHARACTERS, seed=1)) != first


def test_rows_are_text_whatever_stands_in_them(built: Built) -> None:
    bad = "<script>alert(1)</script></style><img src=x onerror=1>\"'&amp;"
    built.build([{"instruction": f"{bad} 문은?", "input": bad, "output": f"{bad} 닫습니다."}, *qa(5)])
    read = Read(_page(built))
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert bad in "".join(read.texts)


def test_personal_data_is_shown_nowhere(built: Built) -> None:
    built.build([*qa(5), {"instruction": "번호는?", "input": "", "output": f"휴대전화 {_PHONE} 입니다."}])
    report = _report(built)
    assert report.facts.personal == {"mobile": 1}
    page = render(report)
    assert _PHONE not in page
    assert "Left in the rows: 1." in _words(page)


def test_rows_in_two_splits_are_seen(built: Built) -> None:
    built.build(qa(40))
    page = _words(_page(built))
    assert "rows in two splits: 0 of 40" in page
    train, test = built.folder / "rows.jsonl", built.folder / "test.jsonl"
    test.write_bytes(test.read_bytes() + train.read_bytes().splitlines(keepends=True)[0])
    report = _report(built)
    assert (len(report.facts.texts.crossed), report.facts.same_rows) == (1, 1)
    assert "✗rows in two splits: 1 of 40" in _words(render(report))


def test_lengths_against_the_cutoff(built: Built) -> None:
    built.build([*qa(9), {"instruction": "길게?", "input": "", "output": "가나다라 " * 40}])
    tokens = Ruler(lambda record: len(record.answer), "tokens", "qa", 100)
    page = _words(_page(built, tokens))
    assert "1 rows (10%) are longer than cutoff_len 100 of config qa: LLaMA-Factory cuts them." in page
    assert "all rows fit into cutoff_len 1,000" in _words(
        _page(built, Ruler(tokens.length, "tokens", "qa", 1000))
    )
    assert "Lengths are in characters." in _words(_page(built))


def test_steps_with_their_samples(built: Built) -> None:
    built.build([*qa(9), {"instruction": "빈 답은?", "input": "", "output": "로그인 | 회원가입 | 사이트맵"}])
    words = _words(_page(built))
    assert "10 → 9 rows" in words
    assert "−1 menu" in words
    assert "로그인 | 회원가입 | 사이트맵" in words


def _with(built: Built, *steps: StepReport) -> Report:
    report = _report(built)
    return replace(report, built=msgspec.structs.replace(report.built, steps=(*report.built.steps, *steps)))


def test_duplicates_and_what_was_kept_instead(built: Built) -> None:
    built.build(qa(5))
    sample = Sample("qa:7", "near", "문을 닫는다", same_as="qa:3", kept="문을 닫습니다")
    tally = Tally(6, 5, 0, {"near": 1}, {"clusters": 0}, [sample])
    words = _words(render(_with(built, StepReport("dedup", {}, tally))))
    assert "1 of 6 were dropped because another one says the same" in words
    assert "kept instead: qa:3" in words
    assert "문을 닫습니다" in words


def test_what_was_not_made_is_listed(built: Built) -> None:
    built.build(qa(5))
    line = {"id": "a:1/qa/2", "code": "ungrounded", "told": ["12 stands nowhere"], "question": f"{_PHONE}?"}
    generate = StepReport("generate", {}, Tally(5, 9, counts={"asked": 49, "listed": 40}))
    report = _with(built, generate)
    elsewhere = replace(report, failures=read_failures(built.folder, report.built))
    assert "40 are listed as not made; the list is on the machine" in _words(render(elsewhere))
    finding = Finding(
        id="data.not-made.lost", severity="warning", message="1 of 2", file=".millhand/list.jsonl"
    )
    list_ = built.workspace.state / "list.jsonl"
    list_.write_text((json.dumps(line) + "\n") * 40, encoding="utf-8")
    named = _with(built, msgspec.structs.replace(generate, findings=(finding,)))
    failures = read_failures(built.folder, named.built)
    words = _words(render(replace(named, failures=failures)))
    assert "Asked for and not made: 40" in words
    assert "show the first 30" in words
    assert "12 stands nowhere" in words
    assert _PHONE not in words


def test_corrections_are_shown(built: Built, tmp_path: Path) -> None:
    built.build(qa(10))

    def edit(line: dict[str, Any]) -> None:
        line["answer"] = line["answer"].replace("저녁 3시", "아침 7시")

    built.edit(tmp_path / "rows.csv", edit)
    assert "They are not in the rows yet" in _words(_page(built))
    built.build()
    page = _page(built)
    assert 'id="corrections"' in page
    assert "<del>저녁</del><ins>아침</ins>" in page


def test_what_was_not_built_has_no_page(built: Built) -> None:
    with pytest.raises(UsageError, match="not built"):
        _report(built)


def test_a_table_that_was_added_has_a_page(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text("질문,답변\n문은?,닫는다\n창은?,연다\n", encoding="utf-8")
    add_dataset(built.registry, path, AddOptions(licence="MIT"))
    words = _words(render(make_report(built.registry, "faq", _CHARACTERS)))
    assert "2 rows under MIT" in words
    assert "There is no step split: all rows are for training." in words
    assert "faq.csv" in words
