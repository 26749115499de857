"""The security manual of dataset_registry: its PDF is what its source says, and is read back whole."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from millhand.documents.document import Document, ListItem, Section, plain_text
from millhand.documents.read import read_document

SOURCE = Path(__file__).parents[3] / "dataset_registry" / "security_manual" / "source"
PDF = SOURCE / "manual.pdf"
SUBSECTIONS = [
    "목적",
    "적용 범위",
    "책임자",
    "용어",
    "수행 절차",
    "",
    "주의 사항",
    "기록",
]  # the sixth is its table


@pytest.fixture(scope="module")
def manual() -> Document:
    reading = read_document(PDF, tables=True)
    assert reading.findings == ()
    (document,) = reading.documents
    return document


def chapters(document: Document) -> list[Section]:
    return [section for section in document.sections if section.number.startswith("제")]


def written(body: str) -> list[str]:
    """The source's lines as plain text: no marks of headings and lists, cells parted by tabs."""
    lines = [line for line in body.splitlines() if line and not line.startswith("| ---")]
    cells = [re.sub(r"\s*\|\s*", "\t", line.strip("| ")) if line.startswith("|") else line for line in lines]
    return [re.sub(r"^(?:#+|-) ", "", line) for line in cells]


def test_it_has_fourteen_procedures_with_the_same_parts(manual: Document) -> None:
    found = chapters(manual)
    assert [section.number for section in found] == [f"제{n}장" for n in range(1, 15)]
    for n, chapter in enumerate(found, 1):
        assert [inner.number for inner in chapter.sections] == [f"{n}.{m}" for m in range(1, 9)]
        for inner, name in zip(chapter.sections, SUBSECTIONS, strict=True):
            assert inner.heading.endswith(name)


def test_steps_are_items_in_order(manual: Document) -> None:
    for chapter in chapters(manual):
        steps = chapter.sections[4].blocks
        assert 6 <= len(steps) <= 10
        assert all(isinstance(step, ListItem) and step.text.endswith("다.") for step in steps)
        assert [step.marker for step in steps if isinstance(step, ListItem)] == [
            f"{n}." for n in range(1, len(steps) + 1)
        ]


def test_each_procedure_has_its_table(manual: Document) -> None:
    tables = list(manual.tables())
    assert [table.caption.partition("]")[0] for table in tables] == [f"[표 {n}" for n in range(1, 15)]
    for table in tables:
        assert len(table.rows) >= 5
        assert all(cell and "\n" not in cell for row in table.rows for cell in row)


def test_the_text_of_the_pdf_is_that_of_the_source(manual: Document) -> None:
    body = (SOURCE / "manual.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    assert lines_of(manual) == written(body)


def lines_of(document: Document) -> list[str]:
    """What was read, without the cover and the table of contents, and without the bullets."""
    lines: list[str] = []
    for section in document.sections:
        if section.heading not in (document.title, "목차"):
            for part in (section, *section.sections):
                lines += [part.heading, *(line for b in part.blocks for line in plain_text(b).split("\n"))]
    return [line.removeprefix("• ") for line in lines]


def test_the_only_telephone_numbers_are_112_and_119(manual: Document) -> None:
    assert set(re.findall(r"\b1\d\d\b(?=[에 ]|$)", manual.text())) <= {"112", "119", "100"}
    assert not re.search(r"\d{2,4}-\d{3,4}-\d{4}", manual.text())


def test_the_pdf_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    maker = build_script()
    if not all((maker.FONTS / name).is_file() for name in maker.FONT_SHA256):
        pytest.skip("the fonts of fonts-nanum are not here")
    maker.build(tmp_path / "manual.pdf")
    assert (tmp_path / "manual.pdf").read_bytes() == PDF.read_bytes()


def build_script() -> ModuleType:
    pytest.importorskip("reportlab")
    spec = importlib.util.spec_from_file_location("build_manual", SOURCE / "build_manual.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
