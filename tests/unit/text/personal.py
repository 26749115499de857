"""Personal data of nobody, made for tests: numbers with right check digits in the forms that people write."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

_DIGITS = st.integers(0, 9).map(str)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**count - 1).map(lambda n: f"{n:0{count}}")


@st.composite
def resident(draw: st.DrawFn, foreign: bool = False) -> str:
    day = draw(st.dates(date(1930, 1, 1), date(2019, 12, 31)))
    century = (5 if foreign else 1) + 2 * (day.year >= 2000) + draw(st.integers(0, 1))
    head = f"{day:%y%m%d}{century}{draw(digits(5))}"
    total = sum(int(d) * w for d, w in zip(head, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True))
    number = head + str(((13 if foreign else 11) - total % 11) % 10)
    return number[:6] + draw(st.sampled_from(["-", " - ", " ", ""])) + number[6:]


@st.composite
def business(draw: st.DrawFn) -> str:
    head = draw(digits(9))
    total = sum(int(d) * w for d, w in zip(head, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True))
    last = (10 - (total + int(head[8]) * 5 // 10) % 10) % 10
    return f"{head[:3]}-{head[3:5]}-{head[5:]}{last}"


@st.composite
def card(draw: st.DrawFn) -> str:
    head = draw(st.sampled_from(["4", "52", "94", "35", "62"]))
    head += draw(digits(15 - len(head)))
    doubled = (int(d) * (2 - i % 2) for i, d in enumerate(head))
    number = head + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)
    between = draw(st.sampled_from(["-", ""]))
    return between.join(number[at : at + 4] for at in range(0, 16, 4))


def _joined(*parts: st.SearchStrategy[str], between: str = "-. ") -> st.SearchStrategy[str]:
    return st.builds(lambda sep, *found: sep.join(found), st.sampled_from(between), *parts)


# A kind's values, and the words before them without which they count for nothing.
FORMS: dict[str, tuple[st.SearchStrategy[str], tuple[str, ...]]] = {
    "resident": (resident(), ("", "주민등록번호: ")),
    "foreigner": (resident(foreign=True), ("", "외국인등록번호 ")),
    "business": (business(), ("", "사업자등록번호 ")),
    "card": (card(), ("", "카드번호 ")),
    "mobile": (_joined(st.just("010"), digits(4), digits(4)), ("", "연락처: ")),
    "landline": (
        st.builds("{}-{}-{}".format, st.sampled_from(["02", "031", "064", "070"]), st.just("234"), digits(4)),
        ("", "Tel. "),
    ),
    "email": (
        st.from_regex(r"\A[a-z][a-z0-9._]{0,10}@[a-z][a-z0-9]{1,8}\.(com|co\.kr)\Z"),
        ("", "메일 "),
    ),
    "account": (
        st.builds("{}-{}-{}".format, digits(3), digits(3), digits(6)),
        ("국민은행 ", "입금 계좌: "),
    ),
    "passport": (st.builds("M{}".format, digits(8)), ("여권번호 ", "passport no. ")),
    "driver": (st.builds("{}-{}-{}-{}".format, st.integers(11, 28), digits(2), digits(6), digits(2)), ("",)),
    "ip": (st.builds("{}.{}.{}.{}".format, *[st.integers(10, 255)] * 4), ("", "IP ")),
    "birth": (
        st.dates(date(1920, 1, 1), date(2020, 1, 1)).map(lambda d: f"{d.year}년 {d.month}월 {d.day}일"),
        ("생년월일 : ", "생일은 "),
    ),
}


@st.composite
def planted(draw: st.DrawFn, kind: str) -> tuple[str, str]:
    """A value of ``kind`` and what stands before it."""
    values, leads = FORMS[kind]
    return draw(values), draw(st.sampled_from(leads))
