"""Markdown, web pages and plain text: sections, blocks and their lines, and what is wrong with some files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.document import (
    Block,
    Code,
    Document,
    ListItem,
    Paragraph,
    Picture,
    Place,
    Reading,
    Table,
)
from millhand.documents.html import text_of
from millhand.documents.outline import Outline
from millhand.documents.read import read_document
from millhand.documents.render import to_markdown
from millhand.documents.source import make_document, open_source


def read(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    reading = read_document(path)
    assert reading.findings == ()
    (document,) = reading.documents
    return document


def blocks(document: Document) -> list[Block]:
    return [block for _, block in document.walk()]


def line(number: int) -> Place:
    return Place("line", number)


MARKDOWN = """---
title: 보안 매뉴얼
---

앞 [링크](http://a.b) `코드`
이어진 줄

# 1. 순찰 *절차*

1. 문을
   잠근다
2. 불을 끈다
   - 복도

   더

![평면도](a.png)

(단위 : 회)

| 구분 | 횟수 |
| --- | --- |
| 주간 | 3<br>회 |

```sh
a  b
```

### 깊이

<div>웹 <b>글</b></div>
"""


def test_markdown(tmp_path: Path) -> None:
    made = read(tmp_path / "a.md", MARKDOWN)
    assert made.title == "보안 매뉴얼"
    assert [(p[-1].level, p[-1].heading, p[-1].place.number) for p in made.paths()] == [
        (1, "1. 순찰 절차", 8),
        (3, "깊이", 29),
    ]
    assert blocks(made) == [
        Paragraph("앞 링크 코드 이어진 줄", line(5)),
        ListItem("문을 잠근다", line(10), "1."),
        ListItem("불을 끈다", line(12), "2."),
        ListItem("복도", line(13), "-", 1),
        Paragraph("더", line(15)),
        Picture("평면도", line(17), "a.png"),
        Table((("구분", "횟수"), ("주간", "3\n회")), line(21), 1, "", "단위 : 회"),
        Code("a  b", line(25), "sh"),
        Paragraph("웹 글", line(31)),
    ]


def test_a_document_written_as_markdown_reads_back_the_same(tmp_path: Path) -> None:
    made = read(tmp_path / "a.md", MARKDOWN)
    again = read(tmp_path / "b.md", to_markdown(made))
    assert again.text() == made.text()
    assert (again.title, again.language) == (made.title, made.language)


words = (
    st.text(st.sampled_from("가나 #-*1.)>|=~`\\+다"), min_size=1)
    .map(lambda t: " ".join(t.split()))
    .filter(bool)
)


@given(words)
def test_a_paragraph_stays_a_paragraph_whatever_it_begins_with(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("md") / "a.md"
    path.write_text("x", encoding="utf-8")
    outline = Outline()
    outline.add(Paragraph("앞", line(1)))
    outline.add(Paragraph(text, line(2)))
    written = to_markdown(make_document(open_source(path), "text", "t", outline))
    made = blocks(read(path, written))
    assert [type(block) for block in made] == [Paragraph, Paragraph]


PAGE = """<!DOCTYPE html><html><head><title>안내
문</title><style>p{}</style></head><body><nav>메뉴</nav>
<h1>1. 순찰</h1>느슨한 <b>굵은</b>
글<p>한
줄<br>두 줄<!-- x --> 끝</p><script>no()</script>
<ul><li>하나<ol start="3"><li>셋<li><p>넷</p></ol></li></ul>
<p>(단위: 원)</p>
<table><caption>표 1</caption><tr><th rowspan=2>구분<th colspan=2>금액<tr><th>가<th>나
<tr><td>합<td>1<table><tr><td>안<td>쪽</table><td>2</table>
<pre>a
 b</pre><img src="a.png" alt="그림"><div><div>깊은 글</div></div>
<h3>끝</h3></body></html>"""


def test_html(tmp_path: Path) -> None:
    made = read(tmp_path / "a.html", PAGE)
    assert made.title == "안내 문"
    assert [(s.level, s.heading) for p in made.paths() for s in p[-1:]] == [(1, "1. 순찰"), (3, "끝")]
    assert blocks(made) == [
        Paragraph("느슨한 굵은 글", line(3)),
        Paragraph("한 줄\n두 줄 끝", line(4)),
        ListItem("하나", line(6), "-"),
        ListItem("셋", line(6), "3.", 1),
        ListItem("넷", line(6), "4.", 1),
        Table(
            (("구분", "금액", "금액"), ("구분", "가", "나"), ("합", "1\n안 쪽", "2")),
            line(8),
            2,
            "표 1",
            "단위: 원",
        ),
        Code("a\n b", line(10)),
        Picture("그림", line(11), "a.png"),
        Paragraph("깊은 글", line(11)),
    ]


def test_html_in_cp949_and_with_a_false_declaration(tmp_path: Path) -> None:
    page = '<?xml version="1.0" encoding="utf-8"?><meta charset="utf-8"><p>똠방각하</p>'
    for encoding in ("cp949", "utf-8", "utf-8-sig", "utf-16"):
        assert read(tmp_path / "a.htm", page.encode(encoding)).text() == "똠방각하"


def test_a_page_as_deep_as_no_page_is_loses_nothing(tmp_path: Path) -> None:
    made = read(tmp_path / "a.html", "<div>" * 1500 + "깊은 글" + "</div>" * 1500)
    assert "깊은 글" in made.text()


def test_a_page_so_deep_that_the_parser_gives_up_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>앞</p>" + "<div>" * 3000 + "깊은 글", encoding="utf-8")
    reading = read_document(tmp_path / "a.html")
    assert [document.text() for document in reading.documents] == ["앞"]
    assert [finding.id for finding in reading.findings] == ["html.too-deep"]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_no_text_of_a_page_is_lost(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    assert text_of(f"<div>{escaped}<br><b>x</b></div>").split() == [*text.split(), "x"]


TEXT = """보안 매뉴얼

제1장 순찰
I. 목적이 없는 줄이 이어진다
그대로.

제2장 출입
\t
첫 줄
둘째 줄
- 하나
① 둘
끝 줄\x07
"""


def test_plain_text(tmp_path: Path) -> None:
    made = read(tmp_path / "a.txt", TEXT.replace("\n", "\r\n"))
    assert [s.heading for s in made.sections] == ["제2장 출입"]
    assert blocks(made) == [
        Paragraph("보안 매뉴얼", line(1)),
        Paragraph("제1장 순찰\nI. 목적이 없는 줄이 이어진다\n그대로.", line(3)),
        Paragraph("첫 줄\n둘째 줄", line(9)),
        ListItem("하나", line(11), "-"),
        ListItem("둘", line(12), "①"),
        Paragraph("끝 줄", line(13)),
    ]
    assert read(tmp_path / "b.txt", "똠방각하".encode("cp949")).text() == "똠방각하"


def fault(reading: Reading) -> tuple[str, str]:
    assert reading.documents == ()
    (finding,) = reading.findings
    assert finding.severity == "error"
    assert finding.file
    assert finding.why
    return finding.id, finding.message


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("a.md", b"", "documents.broken-file", "is empty"),
        ("a.md", b"---\na: 1\n---\n  \n", "documents.broken-file", "is empty"),
        ("a.txt", b" \n", "documents.broken-file", "is empty"),
        ("a.html", b"<!-- x -->", "documents.broken-file", "is empty"),
        ("a.html", b"<p> </p><script>x</script>", "documents.broken-file", "holds no text"),
        ("a.txt", b"\xff\xff\xff", "data.wrong-encoding", "byte 0"),
        ("a.html", b"\xff\xff\xff", "data.wrong-encoding", "byte 0"),
        ("a.md", b"\xff\xff\xff", "data.wrong-encoding", "byte 0"),
        ("a.hwp", b"x", "documents.unknown-kind", "files of the kind '.hwp'"),
    ],
)
def test_faults(tmp_path: Path, name: str, content: bytes, kind: str, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = fault(read_document(tmp_path / name))
    assert found[0] == kind
    assert found[1].startswith(message)


def test_a_file_that_is_not_there_and_what_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "매뉴얼.txt").write_text("글", encoding="utf-8")
    reading = read_document(tmp_path / "매뉴열.txt")
    assert fault(reading)[1] == "there is no such file"
    assert "매뉴얼.txt" in reading.findings[0].mend
    assert fault(read_document(tmp_path))[0] == "documents.no-file"


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs a right there")
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_that_leads_to_nothing_says_where_it_leads(tmp_path: Path, *, absolute: bool) -> None:
    link = tmp_path / "docs" / "매뉴얼.txt"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "old" / "매뉴얼.txt" if absolute else Path("../old/매뉴얼.txt"))
    reading = read_document(link)
    assert fault(reading)[1] == "is a link that leads to nothing: ../old/매뉴얼.txt"
    assert "Did you mean" not in reading.findings[0].mend
    assert reading.findings[0].mend.startswith("Point the link at a file that is there")


def test_a_name_that_is_near_a_broken_link_is_not_sent_there(tmp_path: Path) -> None:
    if sys.platform != "win32":
        (tmp_path / "매뉴얼.txt").symlink_to("gone.txt")
    assert "매뉴얼" not in read_document(tmp_path / "매뉴열.txt").findings[0].mend
