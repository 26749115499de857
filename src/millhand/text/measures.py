"""The units and counters that stand behind numbers in Korean text, each in one form."""

from __future__ import annotations

import re

# The form that a unit is compared in, and the other ways to write it.
_SAME = {
    "%": "퍼센트 프로 percent",
    "%p": "%포인트 %P 퍼센트포인트 퍼센트p",
    "원": "KRW",
    "달러": "USD dollars dollar 미달러 미국달러",
    "유로": "EUR euro euros",
    "엔": "JPY 엔화",
    "위안": "CNY RMB",
    "명": "인 사람 people persons",
    "곳": "개소 군데",
    "개월": "달 months month",
    "회": "차례 번 times",
    "세": "살",
    "주": "주일 주간 weeks week",
    "일": "일간 days day",
    "년": "년간 개년 years year",
    "분": "분간 minutes minute min",
    "초": "초간 seconds second sec",
    "시간": "시간동안 hours hour",
    "km": "킬로미터 ㎞",
    "m": "미터 ｍ",
    "cm": "센티미터 센티 ㎝",
    "mm": "밀리미터 밀리 ㎜",
    "m2": "㎡ m² 제곱미터 평방미터",
    "m3": "㎥ m³ 세제곱미터 입방미터",
    "kg": "킬로그램 킬로 ㎏",
    "g": "그램",
    "mg": "밀리그램 ㎎",
    "t": "톤 ton tons",
    "L": "리터 ℓ l",
    "mL": "밀리리터 ㎖ ml",
    "도": "℃ °C °",
    "kWh": "킬로와트시 ㎾h",
    "kW": "킬로와트 ㎾",
    "MW": "메가와트 ㎿",
    "tCO2eq": "tCO2e tCO₂eq tCO₂e tCO2-eq tCO2",
    "배": "times배",
}
_ALONE = """
번째 분의 가지 개 건 대 장 점 층 쪽 줄 단계 차 호 급 등급 등 자리 자 종류 종 항목 항 문항 문제
교대 교시 분기 주년 시 월 평 마리 그루 켤레 벌 채 통 병 잔 판 곡 편 권 부 매 필지 세대 가구 호실
호기 호선 개사 개국 기 척 좌석 석 실 동 과목 학점 학년 회차 차선 차로 포인트 bp bps ppm ppb dB Hz
kHz MHz GHz V kV A mA W Wh MWh GWh GW TWh TJ GJ MJ kJ J cal kcal N Pa kPa MPa bar rpm px KB MB GB
TB kB bit bits Mbps Gbps ha 헥타르 에이커 인치 피트 마일 파운드 온스 갤런 배럴 볼트 암페어 와트
데시벨 헤르츠 럭스 lx lux 루멘 lm 옹스트롬 nm μm ㎛ 바이트 비트 킬로바이트 메가바이트 기가바이트
테라바이트 주간 조 항차 회선 포트 채널 화소 만화소 사이클 팀 개조 개반 반 학급 구역 구간 블록 라인
개소당 mi ft lb oz days
"""
CANON = {unit: unit for unit in (*_ALONE.split(), *_SAME)}
CANON.update({other: unit for unit, others in _SAME.items() for other in others.split()})

_LATIN = re.compile(r"[A-Za-z0-9₂²³]")
_LONGEST_FIRST = sorted(CANON, key=len, reverse=True)
# A Latin unit ends where its letters end; behind a Hangul one a particle may follow at once.
_UNIT = re.compile(
    "|".join(
        re.escape(unit) + (r"(?![A-Za-z0-9])" if _LATIN.match(unit[-1]) else "") for unit in _LONGEST_FIRST
    )
)
# What looks like a unit and begins another word: 3 일반실, 2 대상, 5 분석, 10 시설.
_OTHER_WORD = re.compile(
    r"(?:일반|일정|일부|일체|일단|일상|대상|대비|대형|대응|대기|분석|분류|분야|분할|시설|시스템|시행|시작|시장|"
    r"시점|시험|장비|장소|장치|장애|점검|점포|층별|차량|차이|차단|차감|호출|호환|급여|급증|급감|등록|등이|등의|등을|"
    r"등과|등에|자산|자료|자동|자체|종합|종업|종료|항상|항공|기준|기간|기타|기업|기록|기능|기관|실시|실제|실행|동안|"
    r"동시|동일|통합|통제|통신|통해|통과|판매|판단|편성|편의|편리|권한|권장|권리|부서|부터|부문|부분|부담|매출|매입|"
    r"매년|매월|매일|반드시|반기|반복|반면|조치|조사|조건|조직|개선|개발|개인|건물|건설|건강|회사|회원|회의|회복|"
    r"인원|인증|인상|인력|인하|인해|세금|세부|주의|주요|주식|년도|월간|월별|도입|도착|도시|평가|평균|평상|석유|"
    r"위안|초과|초기|초안|프로그램|프로젝트|프로세스|미만|벌금|채용|채권|병원|병행|번호|사람들)"
)


def unit_at(text: str, start: int) -> tuple[str, int] | None:
    """The unit that begins at ``start``, in the form it is compared in, and where it ends; else None."""
    found = _UNIT.match(text, start)
    if found is None or (_OTHER_WORD.match(text, start) and text[start : found.end()] not in ("년", "세대")):
        return None
    return CANON[found[0]], found.end()
