"""Lines of a PDF: joined with their blanks, parted into paragraphs and items, in the order of reading."""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

import pytest

from millhand.documents.document import ListItem, Paragraph
from tests.unit.documents.pdf_reading import WORDS, headings, lines, read_one, told
from tests.unit.documents.pdfs import Item, Text, write_pdf

VOCABULARY = (
    "근무자는",
    "출입문을",
    "비상구와",
    "순찰한다",
    "보안실에서",
    "반드시",
    "일지에",
    "기록하고",
    "책임자에게",
    "알린다",
)


def cut(text: str, *, keep_blanks: bool) -> list[str]:
    """Lines of 40 letters' width, cut anywhere; a blank at a cut goes lost unless it is kept."""
    made, line, width = [], "", 0.0
    for sign in text:
        line += sign
        width += 0.5 if sign == " " else 1
        if width > 39:
            made.append(line if keep_blanks else line.strip())
            line, width = "", 0.0
    return [*made, line] if line.strip() else made


@pytest.mark.parametrize("keep_blanks", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_lines_cut_anywhere_give_the_text_back(tmp_path: Path, seed: int, keep_blanks: bool) -> None:
    text = " ".join(random.Random(seed).choices(VOCABULARY, k=250))
    page = lines(*cut(text, keep_blanks=keep_blanks))
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [text]


def test_lines_cut_between_words_give_the_text_back(tmp_path: Path) -> None:
    text = " ".join(random.Random(1).choices(VOCABULARY, k=100))
    page = lines(*textwrap.wrap(text, 40))
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [text]


def test_a_verb_cut_before_its_last_syllable_begins_no_heading(tmp_path: Path) -> None:
    full = "보안 책임자는 매일 아침 모든 출입문과 창문이 잠겨 있는지 확인하고 그 결과를 알립니"
    made = read_one(
        write_pdf(tmp_path / "a.pdf", [lines(full, "다. 부품은 따로 보관을 합니다", full[:-1] + ".", WORDS)])
    )
    assert told(made)[0] == f"{full}다. 부품은 따로 보관을 합니다"


def test_a_line_that_begins_with_a_chapters_name_goes_on(tmp_path: Path) -> None:
    full = "의심스러운 물품을 발견하면 만지지 말고 주변 사람을 물러나게 한 다음 보안팀장에게 알리고"
    page = lines(full, "제13장에 따라 대응한다.", full[:-1] + ".", WORDS)
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page])))[0] == f"{full} 제13장에 따라 대응한다."


def test_a_short_word_after_a_line_that_cuts_none_keeps_its_blank(tmp_path: Path) -> None:
    text = " ".join(random.Random(4).choices(VOCABULARY, k=60))
    wrapped = textwrap.wrap(text + " 그 책임자에게 수 있는 " + text, 40)
    (said,) = told(read_one(write_pdf(tmp_path / "a.pdf", [lines(*wrapped)])))
    assert said == " ".join(wrapped)
    (cut,) = [n for n, line in enumerate(wrapped) if line.endswith(" 수")]
    assert wrapped[cut + 1].startswith("있는")


def test_paragraphs_a_little_apart_are_two(tmp_path: Path) -> None:
    texts = [
        (
            f"보안 책임자는 매일 아침 {n}층의 모든 출입문과 창문이 잠겨 있는지 살피고 그 결과를 적으며",
            f"그 밖의 근무자는 매일 저녁 {n}층의 모든 출입문과 창문이 잠겨 있는지 살피고 나서 또 알린다.",
        )
        for n in range(6)
    ]
    page = [item for n, pair in enumerate(texts) for item in lines(*pair, top=740 - 36 * n)]
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [" ".join(pair) for pair in texts]


def test_numbered_sentences_are_items_and_numbered_names_are_not(tmp_path: Path) -> None:
    page = lines("1. 문을 잠근다.", "2. 불을 끈다.", "3. 기타")
    blocks = [block for _, block in read_one(write_pdf(tmp_path / "a.pdf", [page])).walk()]
    assert [(b.marker, b.text) for b in blocks if isinstance(b, ListItem)] == [
        ("1.", "문을 잠근다."),
        ("2.", "불을 끈다."),
    ]
    assert [b.text for b in blocks if isinstance(b, Paragraph)] == ["3. 기타"]


def test_a_heading_of_a_number_and_one_word(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 740, "1.1 목적", 14), *lines(WORDS, WORDS)]
    assert headings(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [(1, "1.1 목적")]


def test_items_notes_and_short_lines_begin_anew(tmp_path: Path) -> None:
    made = read_one(
        write_pdf(
            tmp_path / "a.pdf", [lines(WORDS, "① 문을 잠근다", "② 불을 끈다", "※ 주의", "짧은", "줄이다")]
        )
    )
    assert told(made) == [WORDS, "문을 잠근다", "불을 끈다", "※ 주의", "짧은", "줄이다"]
    assert [b.marker for _, b in made.walk() if isinstance(b, ListItem)] == ["①", "②"]


def test_a_paragraph_goes_on_over_the_end_of_a_page(tmp_path: Path) -> None:
    long = WORDS + " " + WORDS[:20]
    made = read_one(write_pdf(tmp_path / "a.pdf", [lines(long), lines("마지막 줄이다.")]))
    (text,) = told(made)
    assert text.endswith("마지막 줄이다.")


def test_what_is_drawn_last_stands_where_a_reader_sees_it(tmp_path: Path) -> None:
    page: list[Item] = [*lines("첫 문단이다.", top=700), *lines("셋째 문단이다.", top=500)]
    page += [*lines("둘째 문단이다.", top=600), *lines("맨 위에 있다.", top=730)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert told(made) == ["맨 위에 있다.", "첫 문단이다.", "둘째 문단이다.", "셋째 문단이다."]


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 760, "두 단으로 쓴 글의 아주 긴 제목이 여기에 있다", 18)]
    texts = [
        f"{side} 단에 쓴 {n}째 줄의 글이다." for side in ("왼쪽", "오른쪽") for n in "첫둘셋넷다섯여섯일곱"
    ]
    page += [*lines(*texts[:9]), *lines(*texts[9:], left=320)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert "\n".join(told(made)).split() == " ".join(texts).split()


def test_a_bracket_goes_on_with_a_sentence(tmp_path: Path) -> None:
    full = "보안 책임자는 매일 아침 모든 출입문과 창문이 잠겨 있는지 스물네 번 확인을"
    made = read_one(write_pdf(tmp_path / "a.pdf", [lines(full, "(상세) 합니다.", "(주의) 따로 본다.", full)]))
    assert told(made)[:2] == [f"{full} (상세) 합니다.", "(주의) 따로 본다."]
