from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.dart.passages import LEAST_BUDGET, Passage, cuts, passages, section_text
from millhand.documents.document import Block, Code, ListItem, Paragraph, Picture, Place, Table

PLACE = Place("element", 1)
WORDS = st.text(alphabet="가나다라마 .다\n|1,%()-ab", max_size=700)
CELLS = st.text(alphabet="가나다 12,\n", max_size=60)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows = tuple(tuple(draw(CELLS) for _ in range(width)) for _ in range(height))
    heads = draw(st.integers(0, height - 1))
    return Table(rows, PLACE, heads, draw(WORDS), draw(st.sampled_from(["", "단위 : 백만원"])))


BLOCKS = st.lists(
    st.one_of(
        WORDS.map(lambda text: Paragraph(text, PLACE)),
        WORDS.map(lambda text: ListItem(text, PLACE)),
        WORDS.map(lambda text: Code(text, PLACE)),
        WORDS.map(lambda text: Picture(text, PLACE)),
        tables(),
    ),
    max_size=6,
)


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(BLOCKS, st.integers(LEAST_BUDGET, 1500))
def test_no_text_is_lost_or_moved_and_none_is_too_long(blocks: list[Block], budget: int) -> None:
    section = section_text(blocks, budget)
    made = list(passages(section, budget))
    spans = [(passage.start, passage.end) for passage in made]
    assert spans == sorted(spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert squeezed("".join(section.text[start:end] for start, end in spans)) == squeezed(section.text)
    for passage in made:
        own = section.text[passage.start : passage.end]
        assert own.strip()
        assert passage.text.endswith(own)
        assert len(passage.text) <= budget


@given(BLOCKS)
def test_each_block_knows_its_span(blocks: list[Block]) -> None:
    section = section_text(blocks)
    assert len(section.blocks) == len(blocks)
    for block, (start, end) in zip(blocks, section.blocks, strict=True):
        if not isinstance(block, Table):
            assert squeezed(section.text[start:end]) == squeezed(
                f"- {block.text}"
                if isinstance(block, ListItem)
                else getattr(block, "text", "") or block.caption
                if isinstance(block, Picture)
                else block.text
            )


@given(st.text(max_size=3000), st.integers(100, 500))
def test_cuts_cover_a_text_but_for_blanks(text: str, room: int) -> None:
    spans = list(cuts(text, 0, len(text), room))
    assert all(0 < end - start <= room for start, end in spans)
    covered = {index for start, end in spans for index in range(start, end)}
    assert all(text[index].isspace() for index in set(range(len(text))) - covered)


def made(blocks: list[Block], budget: int) -> list[Passage]:
    return list(passages(section_text(blocks, budget), budget))


def test_a_long_text_ends_at_a_sentence() -> None:
    text = "당사는 반도체를 생산합니다.주요 고객은 다음과 같습니다. 그 밖의 사항은 없습니다. " * 20
    parts = made([Paragraph(text.strip(), PLACE)], 200)
    assert all(part.text.endswith("다.") for part in parts)
    assert not any(part.is_table for part in parts)


def test_a_table_that_is_cut_repeats_unit_and_header() -> None:
    rows = tuple((f"계정 {n}", f"{n:,}", f"{n + 1:,}") for n in range(60))
    table = Table((("과목", "제55기", "제54기"), *rows), PLACE, 1, "연결 재무상태표", "단위 : 백만원")
    parts = made([Paragraph("다음과 같습니다.", PLACE), table], 300)
    assert len(parts) > 3
    assert parts[0].text.startswith(
        "다음과 같습니다.\n연결 재무상태표\n(단위 : 백만원)\n과목 | 제55기 | 제54기\n계정 0 |"
    )
    for part in parts[1:]:
        assert part.text.startswith("(단위 : 백만원)\n과목 | 제55기 | 제54기\n계정 ")
        assert part.is_table
    assert sum(part.text.count("계정 ") for part in parts) == 60


def test_a_header_never_stands_alone_where_its_first_row_fits() -> None:
    table = Table((("과목", "금액"), ("매출", "1" * 40)), PLACE, 1, "", "단위 : 원")
    parts = made([Paragraph("가" * 150, PLACE), table], 200)
    assert [part.text for part in parts] == ["가" * 150, f"(단위 : 원)\n과목 | 금액\n매출 | {'1' * 40}"]


def test_a_table_wider_than_long_is_turned() -> None:
    names = tuple(f"삼성전자 해외 판매법인 {n}" for n in range(40))
    table = Table((("", *names), ("자산", *(str(n) for n in range(40)))), PLACE, 1, "당기", "단위 : 백만원")
    parts = made([table], 400)
    assert parts[0].text.startswith("당기\n(단위 : 백만원)\n | 자산\n삼성전자 해외 판매법인 0 | 0\n")
    assert parts[1].text.startswith("(단위 : 백만원)\n | 자산\n")
    assert "삼성전자 해외 판매법인 39 | 39" in parts[-1].text


def test_a_cell_longer_than_a_passage_is_cut_and_its_header_kept() -> None:
    table = Table((("구분", "내용"), ("연혁", "설립하였습니다. " * 100)), PLACE, 1)
    parts = made([table], 300)
    assert len(parts) > 4
    assert all(part.text.startswith("구분 | 내용\n") for part in parts[1:])


@pytest.mark.parametrize(
    "blocks", [[], [Paragraph(" \n", PLACE)], [Table((("", ""),), PLACE)], [Table((), PLACE)]]
)
def test_nothing_makes_no_passage(blocks: list[Block]) -> None:
    assert made(blocks, 300) == []


def test_no_crumb_is_left_of_a_long_text() -> None:
    text = " ".join(["단어"] * 340)  # a little more than one passage holds
    parts = made([Paragraph(text, PLACE)], 1000)
    assert len(parts) == 2
    assert min(len(part.text) for part in parts) > 300
