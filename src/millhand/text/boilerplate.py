"""Lines that carry nothing to learn: tables of contents, page numbers, copyright, menus, pages left blank."""

from __future__ import annotations

import re
from collections import Counter

# Each is tried on one line without the blanks around it, 300 characters at most.
_LINE = 300
_SHARE = 0.8
_MENU_WORDS = (
    r"홈|home|메뉴|menu|로그인|log ?in|로그아웃|log ?out|회원가입|sign ?up|사이트맵|site ?map"
    r"|고객(?:센터|지원)|공지사항|notice|이용약관|terms(?: of (?:use|service))?"
    r"|개인정보(?: ?처리방침)?|privacy(?: policy)?"
    r"|오시는 ?길|회사소개|about(?: us)?|contact(?: us)?|마이페이지|my ?page|장바구니|cart|검색|search"
    r"|이전|prev(?:ious)?|다음|next|목록|맨 ?위로|top|english|한국어|kor|eng|faq|채용|뉴스|news"
    r"|자료실|커뮤니티"
)
_KINDS = (
    (
        "table of contents",
        r"(?:목\s*차|차\s*례|(?:table of )?contents)|.{1,120}?(?:[.·…‥∙⋯_-]\s?){3,}\s*-?\s*\d{1,4}\s*-?",
    ),
    (
        "page numbers",
        r"(?:-|–|—|\[|<|\()?\s*(?:page|p\.?|쪽|페이지)?\s*\d{1,4}\s*(?:(?:/|of)\s*\d{1,4}|쪽|페이지|면)?\s*(?:-|–|—|\]|>|\))?",
    ),
    (
        # "무단 복제를 금지한다" alone may be a rule of the house
        "copyright",
        r"(?:copyright|ⓒ|©|\(c\)\s*\d{4}).{0,200}|.{0,120}all rights reserved\.?.{0,40}"
        r"|[<\[(]?\s*(?:저작권자\s?(?:ⓒ|©|\(c\)).{0,120}|무단\s?전재.{0,30}(?:금지|금합니다|금함).{0,5})",
    ),
    (
        "blank on purpose",
        r"[-<(\[]*\s*(?:이하\s?여백|여\s?백|빈\s?(?:쪽|페이지|면)|(?:이\s)?(?:페이지|쪽|면)[은는]?.{0,20}(?:비워|공란).{0,20}"
        r"|(?:this )?page (?:is )?(?:intentionally )?left blank)[.\s]*[->)\]]*",
    ),
    # "다음 검색 버튼을 누른다" and "홈 > 설정 > 알림을 켭니다" tell what to do: a menu has no verb at its end
    (
        "menu",
        rf"(?:(?:{_MENU_WORDS})\s*[|>»›ㅣ│]\s*){{2,}}[^.!?]{{0,40}}(?<![다요까오])|(?:(?:{_MENU_WORDS})\s+){{2,}}(?:{_MENU_WORDS})",
    ),
)
_KIND = re.compile("|".join(f"(?P<k{i}>{pattern})" for i, (_, pattern) in enumerate(_KINDS)), re.IGNORECASE)


def line_kind(line: str) -> str:
    """What sort of boilerplate a line is (``page numbers``); empty where it is none."""
    line = line.strip()
    found = _KIND.fullmatch(line) if 0 < len(line) <= _LINE else None
    return _KINDS[int(found.lastgroup[1:])][0] if found and found.lastgroup else ""


def boilerplate_of(text: str) -> str:
    """The sort that most of ``text`` is, if 0.8 of its characters stand in such lines; else empty."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    kinds: Counter[str] = Counter()
    for line in lines:
        kind = line_kind(line)
        if kind:
            kinds[kind] += len(line)
    enough = kinds.total() >= _SHARE * sum(map(len, lines)) and kinds
    return max(kinds, key=lambda kind: kinds[kind]) if enough else ""
