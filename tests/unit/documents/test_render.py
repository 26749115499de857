"""Documents as Markdown: front matter that YAML reads back, and blocks that stay what they are."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.document import Code, Document, ListItem, Paragraph, Picture, Place, Table
from millhand.documents.frontmatter import split_front_matter, with_front_matter
from millhand.documents.outline import Outline
from millhand.documents.render import body_of, to_markdown
from millhand.documents.source import make_document, open_source

P = Place("line", 1)


def document(path: Path, outline: Outline, **facts: str | int) -> Document:
    path.write_text("x", encoding="utf-8")
    return make_document(open_source(path), "text", "보안 매뉴얼", outline, facts=dict(facts))


def test_the_front_matter_says_what_it_is_and_where_it_is_from(tmp_path: Path) -> None:
    outline = Outline()
    outline.add(Paragraph("한글이 있다", P))
    made = to_markdown(document(tmp_path / "매뉴얼.txt", outline, corp_code="00126380", pages=3))
    facts, body, lines = split_front_matter(made)
    assert facts["title"] == "보안 매뉴얼"
    assert facts["corp_code"] == "00126380"
    assert "corp_code: '00126380'" in made  # YAML 1.2 would take it for a number
    assert (facts["pages"], facts["language"], facts["bytes"]) == (3, "ko", 1)
    assert facts["id"] == f"매뉴얼-{facts['sha256'][:8]}"
    assert body == "한글이 있다\n"
    assert made.split("\n")[lines] == "한글이 있다"


values = st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.text(), max_size=2))
printable = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff")
)


@given(st.dictionaries(printable.filter(bool), values, min_size=1), printable)
def test_front_matter_comes_back(facts: dict[str, object], body: str) -> None:
    assert split_front_matter(with_front_matter(facts, body))[:2] == (facts, body)


@given(st.text())
def test_text_that_has_no_front_matter_stays_whole(text: str) -> None:
    facts, body, _ = split_front_matter(text)
    assert facts or body == text


def test_a_rule_at_the_start_is_no_front_matter() -> None:
    for text in ("---\n한 줄\n---\n", "---\n- a\n---\nb", "---\na: [\n---\nb", "---\n열린 채로"):
        assert split_front_matter(text) == ({}, text, 0)
    assert yaml.safe_load("'00126380'") == "00126380"


def test_every_block_has_its_form(tmp_path: Path) -> None:
    outline = Outline()
    outline.heading(1, "1. 순찰", P)
    for block in (
        Paragraph("# 아님\n1. 아님\n- 아님\n|아님", P),
        ListItem("문을 잠근다\n두 번", P, "1."),
        ListItem("불을 끈다", P, "①"),
        ListItem("안쪽", P, "-", depth=1),
        Table((("구분", "구분"), ("가", "나|다"), ("1\n2", "")), P, 2, "표 1", "단위 : 원"),
        Code("a ``` b", P, "sh"),
        Picture("평면도", P, "a b.png"),
    ):
        outline.add(block)
    assert body_of(document(tmp_path / "a.txt", outline)) == (
        "# 1. 순찰\n\n"
        "\\# 아님  \n1\\. 아님  \n\\- 아님  \n\\|아님\n\n"
        "1. 문을 잠근다\n   두 번\n- ① 불을 끈다\n  - 안쪽\n\n"
        "표 1\n\n(단위 : 원)\n\n| 구분 / 가 | 구분 / 나\\|다 |\n| --- | --- |\n| 1<br>2 |  |\n\n"
        "````sh\na ``` b\n````\n\n"
        "![평면도](<a b.png>)\n"
    )


def test_lines_above_a_table_are_its_caption_and_unit(tmp_path: Path) -> None:
    outline = Outline()
    table = Table((("구분", "금액"), ("가", "1")), P, 1)
    for text in ("표 3은 다음과 같다.", "[표 1] 순찰 시각", "(단위 : 원)"):
        outline.add(Paragraph(text, P))
    outline.add_table(table)
    blocks = document(tmp_path / "a.txt", outline).blocks
    assert blocks == (
        Paragraph("표 3은 다음과 같다.", P),
        Table(table.rows, P, 1, "[표 1] 순찰 시각", "단위 : 원"),
    )


def test_sections_nest_and_keep_their_order(tmp_path: Path) -> None:
    outline = Outline()
    outline.add(Paragraph("앞", P))
    for level, heading in ((1, "1. 가"), (3, "깊이"), (2, "나"), (1, "2. 다")):
        outline.heading(level, heading, P)
        outline.add(Paragraph(heading + " 글", P))
    made = document(tmp_path / "a.txt", outline)
    assert [[s.heading for s in path] for path in made.paths()] == [
        ["1. 가"],
        ["1. 가", "깊이"],
        ["1. 가", "나"],
        ["2. 다"],
    ]
    assert [s.number for s in made.sections] == ["1.", "2."]
    assert made.text() == "앞\n1. 가\n1. 가 글\n깊이\n깊이 글\n나\n나 글\n2. 다\n2. 다 글"
    assert [path[-1].heading if path else "" for path, _ in made.walk()] == [
        "",
        "1. 가",
        "깊이",
        "나",
        "2. 다",
    ]
