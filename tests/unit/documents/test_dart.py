"""DART filings: what no parser takes as it stands, the nesting of sections, captions, units, and faults."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.archive import Member, base_name, members
from millhand.documents.dart import read_dart
from millhand.documents.dart_xml import decode, parse, sanitise, unwrap
from millhand.documents.document import Document, ListItem, Paragraph, Picture, Reading, Table
from millhand.documents.source import open_source
from millhand.errors import Finding
from tests.unit.documents.real import real

RECEIPT = "20240312000736"
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def report(body: str, *, code: str = "11011", name: str = "사업보고서") -> str:
    return (
        f'{HEAD}<DOCUMENT><DOCUMENT-NAME ACODE="{code}">{name}</DOCUMENT-NAME>\n'
        f'<COMPANY-NAME AREGCIK="00126380">가나전자</COMPANY-NAME>\n<BODY>\n{body}\n</BODY></DOCUMENT>'
    )


def write_zip(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(path: Path) -> Reading:
    return read_dart(open_source(path))


def read_body(tmp_path: Path, body: str) -> Document:
    reading = read(write_zip(tmp_path / "a.zip", {f"{RECEIPT}.xml": report(body)}))
    assert reading.findings == ()
    return reading.documents[0]


def fault(path: Path) -> Finding:
    reading = read(path)
    assert reading.documents == ()
    (finding,) = reading.findings
    assert finding.file == path.name
    assert finding.severity == "error"
    assert finding.why
    assert finding.mend
    return finding


def table(*rows: str, border: int = 1) -> str:
    return f'<TABLE BORDER="{border}"><TBODY>{"".join(f"<TR>{row}</TR>" for row in rows)}</TBODY></TABLE>'


def test_sections_follow_their_tags_whatever_wraps_them(tmp_path: Path) -> None:
    made = read_body(
        tmp_path,
        """<SECTION-1><TITLE AASSOCNOTE="D-0-2-0-0">II. 사업의 내용</TITLE><LIBRARY>
        <SECTION-2><TITLE AASSOCNOTE="L-0-2-1-L1">1. 사업의 개요</TITLE><P>글</P>
        <TABLE-GROUP><TITLE>1-1. 표</TITLE><P>표 글</P></TABLE-GROUP></SECTION-2></LIBRARY></SECTION-1>
        <SECTION-1><TITLE>III. 재무</TITLE><TABLE-GROUP><TITLE></TITLE><P>끝</P></TABLE-GROUP></SECTION-1>""",
    )
    told = [(len(path), s.level, s.heading, s.number, s.key) for path in made.paths() for s in path[-1:]]
    assert told == [
        (1, 1, "II. 사업의 내용", "II.", "D-0-2-0-0"),
        (2, 2, "1. 사업의 개요", "1.", "L-0-2-1-L1"),
        (3, 3, "1-1. 표", "1-1.", ""),
        (1, 1, "III. 재무", "III.", ""),
    ]
    assert made.facts["elements_title"] == 5
    assert (made.id, made.facts["rcept_no"], made.facts["corp_code"]) == (RECEIPT, RECEIPT, "00126380")


def test_a_bold_lead_in_is_a_heading_and_sticks_to_nothing(tmp_path: Path) -> None:
    made = read_body(
        tmp_path,
        '<SECTION-1><TITLE>I. 개요</TITLE><P>\n<SPAN USERMARK="F-14 B">다</SPAN>\n'
        '<SPAN USERMARK="F-14 B">. 변동</SPAN>2021년에\n<SPAN>삼</SPAN>월\n</P>'
        '<P><SPAN USERMARK=" B">[가전]</SPAN>세탁기</P></SECTION-1>',
    )
    assert [path[-1].heading for path in made.paths()] == ["I. 개요", "다. 변동"]
    assert [block.text for _, block in made.walk() if isinstance(block, Paragraph)] == [
        "2021년에삼월",
        "[가전]",
        "세탁기",
    ]


def test_small_tables_above_a_table_are_its_caption_and_unit(tmp_path: Path) -> None:
    above = table("<TD>(기준일 : </TD><TD>2023년</TD><TD>)</TD><TD>(단위 : 주, %)</TD>", border=0)
    column = table("<TE><P>연결 재무상태표</P></TE>", "<TE><P>(단위 : 백만원)</P></TE>", border=0)
    data = table('<TH>구분</TH><TH COLSPAN="2">금액</TH>', "<TD>가</TD><TD>1</TD><TD>2</TD>")
    made = read_body(
        tmp_path,
        f"<SECTION-1><TITLE>I. 표</TITLE>{above}<P></P>{data}<PGBRK></PGBRK>{column}{data}</SECTION-1>",
    )
    first, second = made.tables()
    assert (first.caption, first.unit) == ("(기준일 : 2023년)", "단위 : 주, %")
    assert (second.caption, second.unit) == ("연결 재무상태표", "단위 : 백만원")
    assert first.rows == (("구분", "금액", "금액"), ("가", "1", "2"))
    assert first.header_rows == 1
    assert made.facts["elements_table"] == 4


def test_a_caption_that_no_table_follows_is_text(tmp_path: Path) -> None:
    alone = table("<TD>(단위 : 원)</TD>")
    made = read_body(
        tmp_path, f"{table('<TD>제목</TD>')}<P>글</P>{alone}{table('<TD>이름</TD><TD>홍길동</TD>')}{alone}"
    )
    told = [
        block.rows if isinstance(block, Table) else block.text
        for _, block in made.walk()
        if not isinstance(block, Picture)
    ]
    assert told == ["제목", "글", (("이름", "홍길동"),), "(단위 : 원)"]


def test_lists_pictures_cells_and_tables_in_cells(tmp_path: Path) -> None:
    inner = table("<TD>안</TD><TD>쪽</TD>")
    made = read_body(
        tmp_path,
        "<P>- 하나</P><P>① 둘</P><IMAGE><IMG>org.jpg</IMG><IMG-CAPTION>조직도</IMG-CAPTION></IMAGE>"
        + table(
            f"<TD>\n<P>첫</P>\n<P>둘\n<SPAN>째</SPAN></P>\n</TD><TD>{inner} 뒤</TD>",
            "<TD>　</TD><TD>&#163;</TD>",
        ),
    )
    blocks = [block for _, block in made.walk()]
    assert [(b.marker, b.text) for b in blocks[:2] if isinstance(b, ListItem)] == [("-", "하나"), ("①", "둘")]
    assert isinstance(blocks[2], Picture)
    assert (blocks[2].caption, blocks[2].name) == ("조직도", "org.jpg")
    assert isinstance(blocks[3], Table)
    assert blocks[3].rows == (("첫\n둘째", "안 쪽 뒤"), ("", "£"))
    assert [b.place.number for b in blocks] == sorted(b.place.number for b in blocks)


def test_what_no_parser_takes_is_kept_sign_by_sign(tmp_path: Path) -> None:
    text = "R&D와 <TV 시장 >, a<b, S&P;, <DRAM>, &amp;, &lt;P&gt;, ‹가›"
    made = read_body(tmp_path, f'<P A="x"">{text}\x07</P><P>두&cr;줄</P><!-- x --><P A=""y"">끝</P>')
    told = [block.text for _, block in made.walk() if isinstance(block, Paragraph)]
    assert told == ["R&D와 <TV 시장 >, a<b, S&P;, <DRAM>, &, <P>, ‹가›", "두\n줄", "끝"]


def test_no_entity_can_grow(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    body = report("<P>&b;&c;</P>").replace("<DOCUMENT>", f"{bomb}<DOCUMENT>", 1)
    made = read(write_zip(tmp_path / "a.zip", {"a.xml": body})).documents[0]
    assert [block.text for _, block in made.walk() if isinstance(block, Paragraph)] == ["&b;&c;"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_the_encoding_is_what_the_bytes_are_and_not_what_they_declare(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / f"{RECEIPT}.xml"
    path.write_bytes(report("<P>똠방각하 펲시콜라</P>").encode(encoding))
    (made,) = read(path).documents
    assert made.text() == "똠방각하 펲시콜라"
    assert made.title == "가나전자 사업보고서"


def test_audit_reports_are_told_apart_and_the_report_comes_first(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"/data/{RECEIPT}_00761.xml": report("<P>다</P>", code="00761", name="연결감사보고서"),
        f"../../{RECEIPT}_00760.xml": report("<P>나</P>", code="00760", name="감사보고서"),
        f"C:\\dart\\{RECEIPT}.xml": report("<P>가</P>"),
        "readme.txt": b"no",
    }
    reading = read(write_zip(tmp_path / "a.zip", files))
    assert [(d.kind, d.id, d.text()) for d in reading.documents] == [
        ("dart", RECEIPT, "가"),
        ("dart-audit", f"{RECEIPT}_00760", "나"),
        ("dart-audit-consolidated", f"{RECEIPT}_00761", "다"),
    ]


def test_a_bad_member_is_listed_and_the_others_are_read(tmp_path: Path) -> None:
    files = {
        "a.xml": report("<P><TD>가</P></TD>"),
        "b.xml": b"\xff\xfe\xfa",
        "c.xml": "<HTML></HTML>",
        "d.xml": report("<P>글</P>"),
    }
    reading = read(write_zip(tmp_path / "a.zip", files))
    assert [d.text() for d in reading.documents] == ["글"]
    assert [f.id for f in reading.findings] == [
        "documents.broken-file",
        "documents.wrong-encoding",
        "documents.broken-file",
    ]
    assert [f.message.split(":")[0] for f in reading.findings] == ["a.xml", "b.xml", "c.xml"]


def test_an_answer_that_is_no_zip_says_what_dart_said(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_text(
        "<result><status>020</status><message>사용한도를 초과하였습니다.</message></result>", encoding="utf-8"
    )
    finding = fault(path)
    assert finding.id == "documents.dart-status"
    assert "020" in finding.message
    assert "사용한도를" in finding.message
    path.write_bytes(b"GIF89a")
    assert "is no ZIP" in fault(path).message


def test_a_bomb_a_broken_zip_and_an_empty_one_are_findings(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", {"a.xml": b"<" * (4 << 20)})
    assert "as only a bomb does" in fault(path).message
    content = write_zip(tmp_path / "cut.zip", {"a.xml": report("<P>글</P>")}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:-30])
    assert "is no whole ZIP" in fault(tmp_path / "cut.zip").message
    broken = bytearray(content)
    broken[60:80] = bytes(20)
    (tmp_path / "cut.zip").write_bytes(broken)
    assert "is damaged" in fault(tmp_path / "cut.zip").message
    assert "holds no XML" in fault(write_zip(tmp_path / "none.zip", {"a.txt": "x"})).message
    assert "unpack it" in fault(tmp_path / "none.zip").mend


def test_locked_and_repeated_members_are_findings(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": report("<P>글</P>"), "x/a.xml": "x"})
    assert "holds it twice" in read(path).findings[0].message
    content = bytearray(write_zip(tmp_path / "b.zip", {"a.xml": report("<P>글</P>")}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "password" in fault(path).message


@given(st.text() | st.from_regex(r"(/|\\|\.\.|C:|[가-힣a.])*", fullmatch=True))
def test_a_members_name_is_never_a_path(name: str) -> None:
    safe = base_name(name)
    assert safe not in ("", ".", "..")
    assert not re.search(r"[/\\:\x00]", safe)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_any_text_parses_and_none_of_it_is_lost(text: str, as_attribute: bool) -> None:
    body = re.sub("</?[A-Z]|<!|&|\r", "", text)
    inner = f"<P>{body}</P>" if not as_attribute else f"<P>x</P>{body}"
    root = parse(sanitise(f"<DOCUMENT>{inner}</DOCUMENT>"))
    lawful = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", body)
    assert "".join(root.itertext()) == lawful if not as_attribute else f"x{lawful}"


@given(st.text(st.sampled_from("<>&;/ \"'=PQ#x19amplt가\n")))
def test_sanitising_never_fails_and_what_is_clean_stays_as_it_is(text: str) -> None:
    once = sanitise(text)
    assert sanitise(once) == once


def test_the_layout_of_the_file_is_no_text() -> None:
    assert unwrap("<P>\r\n\r\n제품 \n<SPAN>등</SPAN>\n을</P>\n\n<P>") == "<P>제품 <SPAN>등</SPAN>을</P><P>"
    assert decode("가".encode("cp949")) == decode("가".encode()) == "가"


def test_the_real_report() -> None:
    reading = read(real("dart/20240312000736.zip"))
    assert reading.findings == ()
    main, audit, consolidated = reading.documents
    counted = [main.facts[f"elements_{name}"] for name in ("section_1", "title", "table")]
    assert counted == [14, 135, 1780]
    assert main.text().count("R&D") == 184
    assert (audit.kind, consolidated.kind) == ("dart-audit", "dart-audit-consolidated")
    business = next(s for s in main.sections if s.key == "D-0-2-0-0")
    assert (business.heading, business.number, business.sections[0].key) == (
        "II. 사업의 내용",
        "II.",
        "L-0-2-1-L1",
    )
    balance = next(path[-1] for path in main.paths() if path[-1].heading == "2-1. 연결 재무상태표")
    (found,) = (block for block in balance.blocks if isinstance(block, Table))
    assert found.unit == "단위 : 백만원"
    assert ("유동자산", "195,936,557", "218,470,581", "218,163,185") in found.rows


def test_no_text_of_the_real_report_is_missing() -> None:
    path = real("dart/20240312000736.zip")
    made = read(path).documents[0]
    told = set(_words(made.text()))
    content = next(m.content for m in members(path) if isinstance(m, Member) and m.name == f"{RECEIPT}.xml")
    body = parse(sanitise(unwrap(decode(content)))).find("BODY")
    paragraphs = ("".join(p.itertext()) for p in body.iter("P", "TITLE") if not p.findall(".//SPAN"))
    assert {word for text in paragraphs for word in _words(text)} <= told


def _words(text: str) -> Iterator[str]:
    return (found[0] for found in re.finditer(r"[가-힣A-Za-z0-9]{2,}", text))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<?xml version='1.0'?><!-- <b> --><catalog><item>x</item></catalog>", "another kind (<catalog>)"),
        (b"<catalog><item>x</catalog>", "XML of another kind (<catalog>)"),
        (b"<HTML><P>DOCUMENT</P></HTML>", "XML of another kind (<HTML>)"),
        (b"name,age", "no XML at all"),
        ("<catalog/>".encode("utf-16"), "neither utf-8 nor cp949"),
    ],
)
def test_what_dart_never_wrote_is_not_to_be_fetched_again(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    finding = fault(path)
    assert told in finding.message
    assert finding.mend.startswith("Name a filing of DART; save other XML as")


def test_a_filing_that_is_cut_off_is_to_be_fetched_again(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(report("<P>글</P>")[:-20], encoding="utf-8")
    assert fault(path).mend == "Fetch the filing again."


def test_an_answer_saved_as_xml_says_what_dart_said(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<result><status>013</status><message>없음</message></result>", encoding="utf-8")
    assert fault(path).id == "documents.dart-status"
