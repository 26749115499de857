"""Tables of figures as DART has them, and the sentences that they become."""

from __future__ import annotations

from collections import Counter

from millhand.dart.sentences import Fact, facts_of
from millhand.documents.document import Block, Document, Kind, Place, Section, Table

PLACE = Place("element", 7)
CAPTION = "연결 재무상태표 제 55 기 2023.12.31 현재 제 54 기 2022.12.31 현재"


def table(*rows: str, unit: str = "단위 : 백만원", caption: str = "", head: int = 1) -> Table:
    cells = tuple(tuple(cell.strip() for cell in row.split("|")) for row in rows)
    return Table(cells, PLACE, head, caption, unit)


def document(*blocks: Block, heading: str = "가. 요약", key: str = "", kind: Kind = "dart") -> Document:
    facts: dict[str, str | int] = {
        "company": "가나전자",
        "period_from": "20230101",
        "period_to": "20231231",
        "report": "연결감사보고서" if kind != "dart" else "사업보고서",
    }
    section = Section(heading, 1, PLACE, "", key, blocks)
    return Document("x", "가나전자", "x.zip", "0" * 64, 1, kind, "ko", (), (section,), facts)


def facts(*blocks: Block, **more: str) -> list[Fact]:
    found, _ = facts_of(document(*blocks, **more))  # type: ignore[arg-type]
    return [fact for each in found for fact in each.facts]


def sentences(*blocks: Block, **more: str) -> list[str]:
    return [fact.sentence for fact in facts(*blocks, **more)]


def left_out(*blocks: Block) -> Counter[str]:
    return facts_of(document(*blocks))[1]
