"""A DART that knows four corporations, and a client with a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from millhand.dart.api import OpenDart
from millhand.shell import Secret
from millhand.waits import Waits
from tests.dart_fake import KEY, FakeDart, corporation, listed, serving, zipped
from tests.unit.documents.test_dart import report

SAMSUNG, HYNIX = "00126380", "00164779"


@dataclass
class Clock:
    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def now(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake() -> Iterator[FakeDart]:
    reports = {
        "20220310000001": "사업보고서 (2021.12)",
        "20230307000542": "사업보고서 (2022.12)",
        "20230515001000": "분기보고서 (2023.03)",
        "20230814000111": "반기보고서 (2023.06)",
        "20231114000222": "분기보고서 (2023.09)",
        "20240312000736": "[기재정정]사업보고서 (2023.12)",
        "20240311000001": "사업보고서 (2023.12)",
        "20240401000099": "주요사항보고서(자기주식취득결정)",
    }
    made = FakeDart(
        corporations=[
            corporation("00434003", "다코", modified="20170630"),
            corporation(SAMSUNG, "삼성전자", "005930", "20240401"),
            corporation(HYNIX, "SK하이닉스", "000660", "20240402"),
            corporation("00500001", "에스엠", "041510", "20100101"),
            corporation("00500002", "에스엠", " ", "20200101"),
            corporation("00600001", "신우", " ", "20170630"),
            corporation("00600002", "신우", " ", "20170630"),
            corporation("00700001", "M&amp;A 사모펀드"),
        ],
        filings=[listed(SAMSUNG, "삼성전자", name, number) for number, name in reports.items()],
        superseded={"20240311000001"},
    )
    made.filings.append(listed(HYNIX, "SK하이닉스", "사업보고서 (2023.12)", "20240319000684", "000660"))
    for filing in made.filings:
        number = filing["rcept_no"]
        made.documents[number] = zipped({f"{number}.xml": report("<P>글</P>")})
    with serving(made):
        yield made


@pytest.fixture
def api(fake: FakeDart, clock: Clock) -> Iterator[OpenDart]:
    with OpenDart(fake.url, Secret(KEY), Waits(clock.sleep, clock.now)) as made:
        yield made
