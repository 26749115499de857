"""Tables: as wide as there is room, and no name or path broken."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from millhand.cli import output

PATH = "outputs/bicycle/koalpaca-polyglot-5.8b-lora"
SENTENCE = "what an employee of a city's office answers to those who ask about bicycles"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.stdout.cache_clear()
    yield
    output.stdout.cache_clear()


def printed(capsys: pytest.CaptureFixture[str], *rows: tuple[object, ...]) -> list[str]:
    output.stdout.cache_clear()
    output.print_table("", ("run", "state", "about", "output"), rows)
    return click.unstyle(capsys.readouterr().out).splitlines()


@pytest.mark.usefixtures("terminal")
def test_a_path_is_whole_where_the_terminal_is_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, ("koalpaca-polyglot-5.8b-lora-2", "exited 0", SENTENCE, PATH))
    assert any(PATH in line and "koalpaca-polyglot-5.8b-lora-2" in line for line in lines)
    assert any("employee" in line for line in lines)


@pytest.mark.usefixtures("terminal")
def test_a_table_keeps_to_the_terminal_where_its_words_let_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert {cell_len(line) for line in printed(capsys, ("bicycle-2", "exited 0", SENTENCE, "outputs/b"))} == {
        80
    }


def test_what_is_piped_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, ("bicycle-2", "exited 0", SENTENCE * 3, PATH), ("b", None, "", ""))
    assert sum("│" in line for line in lines) == 2
    assert any(f" {SENTENCE * 3} │ {PATH} " in line for line in lines)


WORDS = st.lists(st.text("a가1/", min_size=1, max_size=30), max_size=8).map(" ".join)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=4), st.integers(1, 120))
def test_columns_fill_the_room_or_are_as_narrow_as_their_words(columns: list[list[str]], room: int) -> None:
    widths = output._widths(columns, room)
    whole = output._widths(columns, None)
    least = [max(cell_len(word) for cell in column for word in ("", *cell.split())) for column in columns]
    assert all(low <= width <= full for low, width, full in zip(least, widths, whole, strict=True))
    assert sum(widths) == max(min(room, sum(whole)), sum(least))
