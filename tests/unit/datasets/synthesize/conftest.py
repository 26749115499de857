"""Passages, a fake endpoint, and the step run over both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from millhand.datasets.pieces import Passage, Piece
from millhand.datasets.records import Source
from millhand.datasets.steps.base import Context, Tally
from millhand.datasets.steps.generate import generate
from millhand.datasets.synthesize.options import Options
from millhand.documents.document import ListItem, Paragraph, Place
from millhand.errors import Finding
from millhand.shell import Secret
from tests.openai_fake import KEY, MODEL, FakeOpenAI, serving

_FACTS = (
    "{n}번 출입문은 오전 9시에 열고 오후 {h}시에 닫는다",
    "{n}번 구역의 순찰은 {m}분마다 2명이 함께 한다",
    "{n}번 창고의 소화기는 {k}개이며 2024년 3월 {d}일에 점검했다",
    "방문증은 {n}번 안내소에서 발급하고 {m}분 안에 돌려받는다",
)


def sentences(n: int) -> list[str]:
    return [fact.format(n=n, h=n % 5 + 5, m=n % 50 + 10, k=n + 3, d=n % 27 + 1) for fact in _FACTS]


def passage(n: int, *, text: str = "") -> Piece:
    """A section with four facts of its own."""
    place = Place("page", n + 1)
    lines = text.split("\n") if text else [f"{sentence}." for sentence in sentences(n)]
    blocks = tuple(Paragraph(line, place) for line in lines)
    source = Source("manual.pdf", "ab" * 32, place=str(place), section=f"{n}장", licence="CC0-1.0")
    kind = Passage("경비 매뉴얼", (f"{n}장 구역 {n}",), blocks)
    return Piece(f"abab:page-{n}", source, passage=kind, split="train", cluster=f"c{n}")


def steps_passage(n: int) -> Piece:
    place = Place("page", n)
    steps = ("경보기를 끈다", "출입문을 잠근다", "일지에 시각을 적는다")
    blocks = tuple(ListItem(step, place, f"{i}.") for i, step in enumerate(steps, 1))
    source = Source("manual.pdf", "ab" * 32, place=str(place), licence="CC0-1.0")
    text = (Paragraph("야간에는 다음 절차를 지키며 책임자가 결과를 확인하고 기록을 남긴다.", place), *blocks)
    return Piece(f"abab:steps-{n}", source, passage=Passage("경비 매뉴얼", ("야간 마감",), text))


@dataclass
class Built:
    pieces: list[Piece] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    findings: list[Finding] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return self.tally.counts


@dataclass
class Builder:
    """Runs the step, with answers in ``cache``; what it is waiting for is short."""

    cache: Path
    settings: dict[str, str]
    last: Built = field(default_factory=Built)

    def __call__(self, pieces: Iterable[Piece], **options: Any) -> Built:
        self.last = built = Built()
        settings = self.settings

        def secret(name: str) -> Secret | None:
            return Secret(settings[name]) if settings.get(name) else None

        context = Context(
            parallel=None,  # type: ignore[arg-type]
            cache=self.cache,
            secret=secret,
            setting=lambda name: settings.get(name, ""),
            find=built.findings.append,
        )
        given = Options(**{"generator": "model", "chars_per_item": 40, **options})
        for piece in generate(given, list(pieces), built.tally, context):
            built.pieces.append(piece)
        return built


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with serving(FakeOpenAI()) as served:
        yield served


@pytest.fixture
def build(fake: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    from millhand.datasets.steps import generate as step
    from millhand.endpoint.asking import Limits

    def limits(options: Options) -> Limits:
        return Limits(
            at_once=options.concurrency,
            requests_per_minute=options.requests_per_minute,
            tokens_per_minute=options.tokens_per_minute,
            attempts=options.attempts,
            wait_s=0.01,
            wait_at_most_s=0.05,
        )

    monkeypatch.setattr(step, "_limits", limits)
    settings = {"MILLHAND_ENDPOINT": fake.url, "MILLHAND_MODEL": MODEL, "MILLHAND_ENDPOINT_API_KEY": KEY}
    return Builder(tmp_path / "cache", settings)
