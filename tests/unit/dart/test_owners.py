"""What stands is of the filing that is said to own it, and of that filing as it is now."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from millhand.dart import build as building
from millhand.dart import make
from millhand.dart.build import Result, build
from millhand.dart.make import build_file
from millhand.dart.staging import at_hand, earlier_owners, put, stage
from tests.unit.dart.test_build import BODY, COVER, RECEIPT, filing
from tests.unit.documents.test_dart import report, write_zip

FIRST, SECOND = (
    "당사의 요약재무정보",
    "갑사의 요약재무정보",
)  # as many bytes, so that a ZIP's size can be kept
ORDERS = pytest.mark.parametrize("order", [(0, 1), (1, 0)])
WORKERS = pytest.mark.parametrize("workers", [1, 2])


def pair(tmp_path: Path) -> list[Path]:
    """The same receipt in two files, a word and a number of the second one changed."""
    cover = COVER.format("20230101", "20231231")
    other = tmp_path / "raw" / "20240312000999.zip"
    one = filing(tmp_path / "raw")
    changed = BODY.replace(FIRST, SECOND).replace("1,200", "1,300")
    return [one, write_zip(other, {f"{RECEIPT}.xml": report(cover + changed)})]


def stands_whole(out: Path, source: Path) -> None:
    """Chunks and Markdown are those of ``source`` and nothing else."""
    word, other = (SECOND, FIRST) if "999" in source.name else (FIRST, SECOND)
    rows = pq.read_table(out / "chunks").to_pylist()
    assert {row["source"] for row in rows} == {source.name}
    told = "\n".join(row["text"] for row in rows)
    assert word in told
    assert other not in told
    (page,) = (out / "docs").rglob("*.md")
    assert word in page.read_text(encoding="utf-8")
    assert other not in page.read_text(encoding="utf-8")
    (lines,) = (out / "facts").rglob("*.jsonl")
    assert ('"value":"1300"' in lines.read_text(encoding="utf-8")) == (word == SECOND)
    assert not (out / ".build" / "made").exists()


def told(result: Result) -> list[tuple[str, str]]:
    return [(finding.id, finding.file) for finding in result.findings]


@ORDERS
@WORKERS
def test_what_was_left_out_is_nowhere(tmp_path: Path, order: tuple[int, int], workers: int) -> None:
    owner, loser = (pair(tmp_path)[number] for number in order)
    out = tmp_path / "out"
    result = build([owner, loser], out, workers=workers)
    assert told(result) == [("dart.same-filing", loser.name)]
    assert [made.source_sha256 for made in result.documents] == [
        row["source_sha256"] for row in pq.read_table(out / "chunks").to_pylist()[:1]
    ]
    stands_whole(out, owner)
    assert build([owner, loser], out, workers=workers).unchanged == 2
    stands_whole(out, owner)


@ORDERS
@WORKERS
@pytest.mark.parametrize("gone", [0, 1])
def test_after_one_is_removed_the_other_stands(
    tmp_path: Path, order: tuple[int, int], workers: int, gone: int
) -> None:
    paths = [pair(tmp_path)[number] for number in order]
    out = tmp_path / "out"
    build(paths, out, workers=workers)
    left = paths.pop(1 - gone)
    paths[0].unlink()
    result = build([left], out, workers=workers)
    assert told(result) == []
    assert len(result.documents) == 1
    stands_whole(out, left)
    assert build([left], out, workers=workers).unchanged == 1


@WORKERS
def test_where_the_owner_breaks_the_other_takes_its_place(tmp_path: Path, workers: int) -> None:
    owner, other = pair(tmp_path)
    out = tmp_path / "out"
    build([owner, other], out, workers=workers)
    whole = owner.read_bytes()
    owner.write_bytes(b"PK\x03\x04 broken")
    result = build([owner, other], out, workers=workers)
    assert (result.unchanged, [made.id for made in result.documents]) == (0, [RECEIPT])
    stands_whole(out, other)
    owner.write_bytes(whole)
    assert told(build([owner, other], out, workers=workers)) == [("dart.same-filing", other.name)]
    stands_whole(out, owner)


def test_what_another_writer_left_behind_is_mended(tmp_path: Path) -> None:
    """As a version did that wrote in place: the chunks of one file under the note of another."""
    owner, other = pair(tmp_path)
    out = tmp_path / "out"
    made = build([owner], out, workers=1)
    build([other], tmp_path / "wrong", workers=1)
    (wrong,) = (tmp_path / "wrong" / "chunks").rglob("*.parquet")
    (right,) = (out / "chunks").rglob("*.parquet")
    right.write_bytes(wrong.read_bytes())
    again = build([owner], out, workers=1)
    assert again.unchanged == 0
    assert again.documents == made.documents
    stands_whole(out, owner)


def test_a_zip_replaced_by_one_of_equal_size_and_time_is_built(tmp_path: Path) -> None:
    source, other = pair(tmp_path)
    other = other.rename(tmp_path / "other.zip")
    size = max(source.stat().st_size, other.stat().st_size)
    _padded(source, size)
    out, time = tmp_path / "out", source.stat().st_mtime_ns
    build([source], out, workers=1)
    source.write_bytes(_padded(other, size).read_bytes())
    os.utime(source, ns=(time, time))
    result = build([source], out, workers=1)
    assert result.unchanged == 0
    assert any(SECOND in row["text"] for row in pq.read_table(out / "chunks").to_pylist())


def _padded(path: Path, size: int) -> Path:
    """With bytes behind the ZIP's end, as its comment, until it is ``size`` long."""
    content, more = path.read_bytes(), size - path.stat().st_size
    path.write_bytes(content[:-2] + more.to_bytes(2, "little") + b" " * more)
    return path


def test_a_filing_saved_while_it_is_read_is_told_and_built_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, other = pair(tmp_path)
    out, read = tmp_path / "out", make.read_document

    def saved(path: Path) -> object:
        reading = read(path)
        path.write_bytes(other.read_bytes())
        return reading

    with monkeypatch.context() as patch:
        patch.setattr(make, "read_document", saved)
        first = build([source], out, workers=1)
    assert first.documents == ()
    assert [finding.severity for finding in first.findings] == ["error"]
    assert list((out / "chunks").rglob("*.parquet")) == []
    result = build([source], out, workers=1)
    assert (result.unchanged, told(result)) == (0, [])
    assert any(SECOND in row["text"] for row in pq.read_table(out / "chunks").to_pylist())


def test_a_source_that_changed_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, read = filing(tmp_path / "raw"), make.read_document

    def saved(path: Path) -> object:
        reading = read(path)
        path.write_bytes(b"PK")
        return reading

    monkeypatch.setattr(make, "read_document", saved)
    outcome = build_file(tmp_path / "made", 1000, source, tmp_path / "note.json")
    assert (outcome.documents, outcome.files, outcome.source_sha256) == ((), {}, "")
    assert [finding.id for finding in outcome.findings] == ["dart.changed"]


@pytest.mark.parametrize(("name", "value"), [("__version__", "0.0.0"), ("VERSION", "0"), ("SCHEMA", "x/0")])
def test_another_version_makes_all_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    source = filing(tmp_path / "raw")
    build([source], tmp_path / "out", workers=1)
    assert build([source], tmp_path / "out", workers=1).unchanged == 1
    monkeypatch.setattr(building, name, value)
    assert build([source], tmp_path / "out", workers=1).unchanged == 0


def test_another_passage_length_changes_the_chunks(tmp_path: Path) -> None:
    body = BODY.replace("당사의", "당사의 " + "긴 글입니다. " * 200)
    source, out = filing(tmp_path / "raw", body=body), tmp_path / "out"
    for budget in (1000, 300, 1000):
        assert build([source], out, budget=budget, workers=1).unchanged == 0
        rows = pq.read_table(out / "chunks").to_pylist()
        longest = max(len(row["text"]) for row in rows if row["level"] == "passage")
        assert budget * 0.8 < longest <= budget


def test_only_what_was_made_counts_as_changed(tmp_path: Path) -> None:
    one, two, three = (filing(tmp_path / "raw", f"2024010100000{number}") for number in range(3))
    out = tmp_path / "out"
    first = build([one, two], out, workers=1)
    (out / first.documents[0].facts_file).write_text("altered", encoding="utf-8")
    result = build([one, two, three], out, workers=1)
    assert (result.files, result.unchanged) == (3, 1)
    assert "altered" not in (out / first.documents[0].facts_file).read_text(encoding="utf-8")


def test_broken_off_before_the_files_are_in_place_the_next_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = filing(tmp_path / "raw"), tmp_path / "out"

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "put", stopped)
        with pytest.raises(KeyboardInterrupt):
            build([source], out, workers=1)
    assert not (out / "chunks").exists()
    assert build([source], out, workers=1).unchanged == 1
    stands_whole(out, source)


def test_what_cannot_be_put_in_place_leaves_no_old_chunks(tmp_path: Path) -> None:
    one, two = (filing(tmp_path / "raw", f"2024010100000{number}") for number in range(2))
    out = tmp_path / "out"
    first = build([one, two], out, workers=1)
    page = out / first.documents[0].file
    page.unlink()
    page.mkdir()
    result = build([one, two], out, workers=1)
    assert told(result) == [("dart.failed", one.name)]
    assert "in its place" in result.findings[0].mend
    assert {row["source"] for row in pq.read_table(out / "chunks").to_pylist()} == {two.name}
    page.rmdir()
    assert not any(finding.severity == "error" for finding in build([one, two], out, workers=1).findings)
    assert {row["source"] for row in pq.read_table(out / "chunks").to_pylist()} == {one.name, two.name}


def test_the_first_owns_what_several_claim() -> None:
    claims = [("a", "b"), (), ("B", "c"), ("c",), (), ("c", "a")]
    assert earlier_owners(claims) == [None, None, 0, None, None, 3]


def test_two_contents_of_one_place_wait_side_by_side(tmp_path: Path) -> None:
    staged, out = tmp_path / "made", tmp_path / "out"
    one = {"docs/a.md": stage(staged, "docs/a.md", b"one")}
    two = {"docs/a.md": stage(staged, "docs/a.md", b"two"), "docs/b.md": stage(staged, "docs/b.md", b"two")}
    put(staged, out, one)
    put(staged, out, one)
    assert (out / "docs" / "a.md").read_bytes() == b"one"
    put(staged, out, two)
    assert [(out / name).read_bytes() for name in two] == [b"two", b"two"]
    assert at_hand(staged, out, two)
    assert not at_hand(staged, out, one)
