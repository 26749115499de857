import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from millhand.dart.build import Result, build, filings_in
from millhand.dart.chunks import SCHEMA, read_chunks, schema
from millhand.dart.make import build_file
from millhand.dart.staging import put
from millhand.errors import UsageError
from tests.unit.documents.real import real
from tests.unit.documents.test_dart import report, table, write_zip

RECEIPT = "20240312000736"
COVER = (
    '<COVER><TABLE><TBODY><TR><TU AUNIT="PERIODFROM" AUNITVALUE="{}">시작</TU>'
    '<TU AUNIT="PERIODTO" AUNITVALUE="{}">끝</TU></TR></TBODY></TABLE></COVER>'
)
BODY = (
    '<SECTION-1><TITLE AASSOCNOTE="D-0-3-0-0">III. 재무에 관한 사항</TITLE>'
    "<P>당사의 요약재무정보는 다음과 같습니다.</P>"
    + table("<TD>(단위 : 백만원)</TD>", border=0)
    + table("<TH>구분</TH><TH>제55기</TH><TH>제54기</TH>", "<TD>매출액</TD><TD>1,200</TD><TD>1,000</TD>")
    + "</SECTION-1><SECTION-1><TITLE>IV. 빈 곳</TITLE></SECTION-1>"
)


def filing(folder: Path, receipt: str = RECEIPT, body: str = BODY, **more: Any) -> Path:
    cover = COVER.format(more.pop("begin", "20230101"), more.pop("end", "20231231"))
    folder.mkdir(parents=True, exist_ok=True)
    return write_zip(folder / f"{receipt}.zip", {f"{receipt}.xml": report(cover + body, **more)})


def made(tmp_path: Path, *paths: Path, **more: Any) -> Result:
    return build(paths or [tmp_path / "raw"], tmp_path / "out", workers=1, **more)


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(tmp_path / "out" / "chunks").to_pylist()
    return found


def test_a_filing_becomes_markdown_sentences_and_chunks(tmp_path: Path) -> None:
    filing(tmp_path / "raw")
    (built,) = made(tmp_path).documents
    out = tmp_path / "out"
    assert built.file == f"docs/00126380/2023/11011/{RECEIPT}.md"
    head, body = (out / built.file).read_text(encoding="utf-8").split("---\n", 2)[1:]
    facts = yaml.safe_load(head)
    assert (facts["rcept_no"], facts["year"], facts["reprt_code"]) == (RECEIPT, 2023, "11011")
    assert facts["source"] == f"{RECEIPT}.zip"
    assert "# III. 재무에 관한 사항\n" in body
    assert "| 매출액 | 1,200 | 1,000 |" in body
    told = [json.loads(line) for line in (out / built.facts_file).read_text(encoding="utf-8").splitlines()]
    assert told[0]["sentence"] == (
        "가나전자의 재무에 관한 사항에서 매출액은 제55기 1,200백만원(12억원)으로, "
        "제54기의 1,000백만원보다 200백만원(20.0%) 증가하였습니다."
    )
    assert told[0]["change"] == "200"
    assert built.facts == 2


def test_chunks_have_two_levels_and_say_where_they_are_from(tmp_path: Path) -> None:
    filing(tmp_path / "raw")
    (built,) = made(tmp_path).documents
    found = [row for row in rows(tmp_path) if row["section_key"] == "D-0-3-0-0"]
    assert [(row["id"], row["parent_id"], row["level"], row["kind"]) for row in found] == [
        (f"{RECEIPT}/0001", None, "section", "table"),
        (f"{RECEIPT}/0001/000", f"{RECEIPT}/0001", "passage", "table"),
        (f"{RECEIPT}/0001/f000", f"{RECEIPT}/0001", "passage", "facts"),
    ]
    section, passage, sentences = found
    assert section["text"] == (
        "당사의 요약재무정보는 다음과 같습니다.\n(단위 : 백만원)\n"
        "구분 | 제55기 | 제54기\n매출액 | 1,200 | 1,000"
    )
    assert section["text"][passage["start"] : passage["end"]] == passage["text"]
    assert section["text"][sentences["start"] : sentences["end"]].startswith("(단위 : 백만원)\n구분")
    for row in found:
        assert (row["corp_code"], row["year"], row["reprt_code"], row["rcept_no"]) == (
            "00126380", 2023, "11011", RECEIPT,
        )  # fmt: skip
        assert row["headings"] == ["III. 재무에 관한 사항"]
        assert row["source_sha256"] == built.source_sha256
        assert row["rcept_dt"] == "20240312"
        assert 0 < row["first_place"] <= row["last_place"]


def test_the_schema_is_as_it_is_documented(tmp_path: Path) -> None:
    filing(tmp_path / "raw")
    made(tmp_path)
    (file,) = (tmp_path / "out" / "chunks").rglob("*.parquet")
    stored = pq.read_schema(file)
    assert stored.equals(schema())
    assert stored.metadata[b"schema"] == SCHEMA.encode()
    page = (Path(__file__).parents[3] / "docs" / "dart.md").read_text(encoding="utf-8")
    documented = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and "|" in line]
    assert [name for name in documented if name in stored.names] == stored.names


def test_ids_and_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    source = filing(tmp_path / "raw")
    for name in ("one", "two"):
        build([source], tmp_path / name, workers=1)
    files = {
        name: sorted(
            (path.relative_to(tmp_path / name), path.read_bytes())
            for folder in ("docs", "facts", "chunks")
            for path in (tmp_path / name / folder).rglob("*.*")
        )
        for name in ("one", "two")
    }
    assert files["one"] == files["two"]
    assert len(files["one"]) == 3


def test_the_audit_report_in_a_zip_is_of_the_same_filing(tmp_path: Path) -> None:
    cover = COVER.format("20230101", "20231231")
    audit = report(cover + "<P>감사 의견</P>", code="00760", name="감사보고서").replace(
        "00126380", "../../../x"
    )
    path = tmp_path / "raw" / f"{RECEIPT}.zip"
    path.parent.mkdir()
    write_zip(path, {f"{RECEIPT}_00760.xml": audit, f"{RECEIPT}.xml": report(cover + BODY)})
    result = made(tmp_path)
    assert [built.file for built in result.documents] == [
        f"docs/00126380/2023/11011/{RECEIPT}.md",
        f"docs/00126380/2023/11011/{RECEIPT}_00760.md",
    ]
    assert {(row["document_kind"], row["corp_code"]) for row in rows(tmp_path)} == {
        ("dart", "00126380"),
        ("dart-audit", "00126380"),
    }
    assert len({row["id"] for row in rows(tmp_path)}) == len(rows(tmp_path))


@pytest.mark.parametrize(
    ("name", "begin", "end", "home"),
    [
        ("분기보고서", "20230101", "20230331", "2023/11013"),
        ("분기보고서", "20230101", "20230930", "2023/11014"),
        ("반기보고서", "20230101", "20230630", "2023/11012"),
        ("분기보고서", "20220401", "20221231", "2022/11014"),
        ("분기보고서", "20230101", "20230630", "2023/unknown"),
        ("사업보고서", "", "", "unknown/11011"),
        ("주요사항보고서", "20230101", "20231231", "2023/unknown"),
    ],
)
def test_the_period_says_which_report_it_is(
    tmp_path: Path, name: str, begin: str, end: str, home: str
) -> None:
    filing(tmp_path / "raw", name=name, code="11013", begin=begin, end=end)
    (built,) = made(tmp_path).documents
    assert built.file == f"docs/00126380/{home}/{RECEIPT}.md"


def test_what_the_xml_says_of_itself_leads_to_no_other_folder(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "x.zip"
    path.parent.mkdir()
    xml = report(COVER.format("../../../", "..1231..") + BODY).replace(
        'AREGCIK="00126380"', 'AREGCIK="../../../up"'
    )
    write_zip(path, {"../../evil.xml": xml})
    (built,) = made(tmp_path, path).documents
    assert built.file.startswith("docs/unknown/unknown/11011/")
    assert ".." not in built.file
    assert {p.name for p in tmp_path.iterdir()} == {"raw", "out"}


def test_a_broken_filing_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    filing(raw, "20240101000001")
    whole = filing(raw, "20240101000002").read_bytes()
    (raw / "20240101000003.zip").write_bytes(whole[: len(whole) // 2])
    (raw / "20240101000004.zip").write_bytes(b"<result><status>014</status></result>")
    write_zip(raw / "20240101000005.zip", {"20240101000005.xml": "<DOCUMENT><BODY><P>끝없는"})
    write_zip(raw / "20240101000006.zip", {"readme.txt": "글"})
    result = made(tmp_path)
    assert [built.id for built in result.documents] == ["20240101000001", "20240101000002"]
    assert sorted((f.file, f.id) for f in result.findings if f.file) == [
        ("20240101000003.zip", "documents.broken-zip"),
        ("20240101000004.zip", "documents.dart-status"),
        ("20240101000005.zip", "documents.broken-file"),
        ("20240101000006.zip", "documents.broken-file"),
    ]
    assert {row["rcept_no"] for row in rows(tmp_path)} == {"20240101000001", "20240101000002"}


def test_a_second_call_makes_only_what_is_due(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    filing(raw, "20240101000001")
    made(tmp_path)
    filing(raw, "20240101000002")
    result = made(tmp_path)
    assert (result.files, result.unchanged, len(result.documents)) == (2, 1, 2)
    (tmp_path / "out" / result.documents[0].file).unlink()
    again = made(tmp_path)
    assert (tmp_path / "out" / again.documents[0].file).is_file()
    assert made(tmp_path).unchanged == 2
    assert made(tmp_path, budget=500).unchanged == 0


def test_chunks_of_a_filing_that_is_gone_or_broken_now_go_too(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    one, two = filing(raw, "20240101000001"), filing(raw, "20240101000002")
    filing(raw, "20240101000003")
    made(tmp_path)
    one.unlink()
    two.write_bytes(b"PK\x03\x04 broken")
    result = made(tmp_path)
    assert [built.id for built in result.documents] == ["20240101000003"]
    assert {row["rcept_no"] for row in rows(tmp_path)} == {"20240101000003"}


def test_several_at_once_make_the_same(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for number in range(4):
        filing(raw, f"2024010100000{number}")
    alone = build([raw], tmp_path / "alone", workers=1)
    seen: list[int] = []
    many = build([raw], tmp_path / "many", workers=2, on_done=lambda done, of, file: seen.append(done))
    assert alone.documents == many.documents
    assert seen == [1, 2, 3, 4]


def test_the_same_filing_under_another_name_is_told(tmp_path: Path) -> None:
    first = filing(tmp_path / "raw")
    copy = tmp_path / "copy.zip"
    copy.write_bytes(first.read_bytes())
    result = made(tmp_path, first, copy)
    assert [finding.id for finding in result.findings] == ["dart.same-filing"]
    assert len(result.documents) == 1
    ids = [row["id"] for row in rows(tmp_path)]
    assert len(ids) == len(set(ids))


def test_a_folder_stands_for_the_filings_in_it(tmp_path: Path) -> None:
    deep = filing(tmp_path / "raw" / "00126380")
    same = filing(tmp_path / "raw" / "other")
    (tmp_path / "raw" / "corpCode.zip").write_bytes(b"PK")
    assert filings_in([tmp_path / "raw", deep]) == [deep]
    assert filings_in([same, tmp_path / "raw"]) == [same]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no filing"):
        build([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(UsageError, match="no file"):
        build([tmp_path / "nothing"], tmp_path / "out")
    with pytest.raises(UsageError, match="too short"):
        build([deep], tmp_path / "out", budget=10)
    with pytest.raises(UsageError, match="is a file"):
        build([deep], deep)


def test_work_that_fails_is_a_finding(tmp_path: Path) -> None:
    source = filing(tmp_path / "raw")
    (tmp_path / "out" / "docs").mkdir(parents=True)
    (tmp_path / "out" / "docs" / "00126380").write_text("in the way")
    result = made(tmp_path, source)
    assert [finding.id for finding in result.findings] == ["dart.failed"]
    assert result.documents == ()


def test_the_real_filing_loses_nothing(tmp_path: Path) -> None:
    source = real("dart/20240312000736.zip")
    staged = tmp_path / "made"
    outcome = build_file(staged, 1000, source, tmp_path / "note.json")
    put(staged, tmp_path, outcome.files)
    assert [built.id for built in outcome.documents] == [RECEIPT, f"{RECEIPT}_00760", f"{RECEIPT}_00761"]
    assert sum(built.facts for built in outcome.documents) > 6_000
    chunks = pq.read_table(tmp_path / outcome.chunks_file).to_pylist()
    ids = {chunk["id"]: chunk for chunk in chunks}
    assert len(ids) == len(chunks)
    covered: dict[str, str] = {}
    for chunk in chunks:
        assert chunk["level"] == "section" or len(chunk["text"]) <= 1000
        if chunk["level"] == "passage":
            parent = ids[chunk["parent_id"]]
            own = parent["text"][chunk["start"] : chunk["end"]]
            if chunk["kind"] != "facts":
                assert chunk["text"].endswith(own)
                covered[parent["id"]] = covered.get(parent["id"], "") + own
    for name, chunk in ids.items():
        if chunk["level"] == "section":
            assert "".join(covered[name].split()) == "".join(chunk["text"].split())
    text = "".join(
        chunk["text"] for chunk in chunks if chunk["level"] == "section" and chunk["document_id"] == RECEIPT
    )
    assert text.count("R&D") >= 180
    assert os.path.getsize(tmp_path / outcome.chunks_file) < 2_000_000


def test_two_versions_of_a_report_are_told(tmp_path: Path) -> None:
    filing(tmp_path / "raw", "20240311000001")
    filing(tmp_path / "raw", "20240312000736")
    filing(tmp_path / "raw", "20230101000001", end="20221231", begin="20220101")
    result = made(tmp_path)
    assert [finding.id for finding in result.findings] == ["dart.two-versions"]
    assert "20240311000001 and 20240312000736" in result.findings[0].message
    assert result.findings[0].mend.startswith("Keep 20240312000736")


def test_chunks_are_read_back(tmp_path: Path) -> None:
    filing(tmp_path / "raw", "20240101000002")
    filing(tmp_path / "raw", "20240101000001")
    made(tmp_path)
    chunks = list(read_chunks(tmp_path / "out" / "chunks"))
    assert [chunk.rcept_no for chunk in chunks] == sorted(chunk.rcept_no for chunk in chunks)
    assert len(chunks) == len(rows(tmp_path))
    sections = list(read_chunks(tmp_path / "out" / "chunks", level="section"))
    assert {chunk.level for chunk in sections} == {"section"}
    assert [chunk for chunk in chunks if chunk.level == "section"] == sections


def test_a_document_of_another_kind_is_no_filing(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 글", encoding="utf-8")
    result = made(tmp_path, tmp_path / "a.md", filing(tmp_path / "raw"))
    assert [(finding.file, finding.id) for finding in result.findings] == [("a.md", "dart.no-filing")]
    assert [built.id for built in result.documents] == [RECEIPT]


def test_an_xml_taken_out_of_its_zip_is_built_too(tmp_path: Path) -> None:
    path = tmp_path / f"{RECEIPT}.xml"
    path.write_text(report(COVER.format("20230101", "20231231") + BODY), encoding="utf-8")
    (built,) = made(tmp_path, path).documents
    assert built.file == f"docs/00126380/2023/11011/{RECEIPT}.md"
