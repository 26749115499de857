"""Encodings: found by decoding everything, named with the byte where they fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millhand.errors import FindingsError, UsageError
from millhand.text.encoding import Encoding, Utf8Stream, detect_encoding

_TEXT = "질문,답변\n휴가는 며칠인가요?,보름입니다.\n"
_KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("utf-8", Encoding("utf-8")),
        ("utf-8-sig", Encoding("utf-8", 3)),
        ("cp949", Encoding("cp949")),
        ("utf-16", Encoding("utf-16-le", 2)),
    ],
)
def test_the_encodings_of_korean_spreadsheets_are_found(
    tmp_path: Path, codec: str, expected: Encoding
) -> None:
    path = tmp_path / "qa.csv"
    path.write_bytes(_TEXT.encode(codec))
    assert detect_encoding(path) == expected
    with Utf8Stream(path, expected) as stream:
        assert stream.read().decode() + stream.read().decode() == _TEXT
    with Utf8Stream(path, expected) as stream:
        assert b"".join(stream).decode() == _TEXT


@settings(deadline=None)
@given(text=st.lists(_KOREAN, min_size=3).map("\n".join), size=st.integers(1, 7))
def test_a_recoded_stream_gives_the_text_whatever_the_block(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int
) -> None:
    path = tmp_path_factory.mktemp("c") / "a.jsonl"
    path.write_bytes(text.encode("cp949"))
    with Utf8Stream(path, Encoding("cp949")) as stream:
        assert b"".join(iter(lambda: stream.read(size), b"")).decode() == text
    with Utf8Stream(path, Encoding("cp949")) as stream:
        assert [line.decode() for line in stream] == text.splitlines(keepends=True)


def test_euc_kr_means_its_superset(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("똠방각하".encode("cp949"))  # a letter that EUC-KR itself lacks
    assert detect_encoding(path, "euc-kr").codec == "cp949"


def test_a_wrong_encoding_is_named_with_its_byte_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(_TEXT.encode("cp949"))
    with pytest.raises(FindingsError) as caught:
        detect_encoding(path, "utf-8")
    finding = caught.value.findings[0]
    assert (finding.id, finding.file, finding.line) == ("data.wrong-encoding", "a.csv", 1)
    assert "byte 0 " in finding.message
    assert "--encoding" in finding.mend


def test_one_broken_byte_in_utf_8_is_no_cp949(tmp_path: Path) -> None:
    content = (_TEXT * 50).encode()
    position = content.index("휴".encode(), 1000) + 1
    path = tmp_path / "a.csv"
    path.write_bytes(content[:position] + b"\xff" + content[position + 1 :])
    with pytest.raises(FindingsError) as caught:
        detect_encoding(path)
    finding = caught.value.findings[0]
    assert f"byte {position - 1:,}" in finding.message
    assert finding.line == content[:position].count(b"\n") + 1


def test_a_break_across_blocks_is_found_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a" * ((1 << 20) - 1) + "가".encode()[:2] + b"b")
    with pytest.raises(FindingsError, match="byte 1,048,575"):
        detect_encoding(path, "utf-8")


def test_a_file_that_ends_within_a_letter_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("가나다".encode()[:-1])
    with pytest.raises(FindingsError, match="byte 6"):
        detect_encoding(path, "utf-8")


def test_an_encoding_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a")
    with pytest.raises(UsageError, match="no text encoding called 'cp94'"):
        detect_encoding(path, "cp94")


@settings(deadline=None)
@given(_KOREAN)
def test_what_is_decoded_as_cp949_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("e") / "a.csv"
    content = f"질문,답변\n{text},네\n"
    path.write_bytes(content.encode("cp949"))
    found = detect_encoding(path)
    assert path.read_bytes().decode(found.codec) == content
