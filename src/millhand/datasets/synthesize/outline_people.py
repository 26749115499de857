"""Who acts in a sentence: the person or body that it begins with."""

from __future__ import annotations

import re
from typing import NamedTuple

from millhand.datasets.synthesize.outline_verbs import has_condition

_PERSON = (
    r"팀장|소장|조장|소방대장|과장|부장|실장|반장|센터장|국장|원장|책임자|관리자|담당자|근무자|유도자|작업자|당직자|운영자"
    r"|신고자|감독자|요원|직원|임직원|관리원|경비원|대원|위원|기사|의사|간호사|관리인|대표이사|이사장|감사|교사|강사|주임|조원|근무조"
)
_BODY = r"업체|부서|팀|소방대|위원회|협의회|이사회|사무국|본부|센터|회사|기관|관리소|상황실"
_ACTOR = re.compile(
    rf"(?P<name>(?:[가-힣A-Za-z0-9·]+ ){{0,3}}?[가-힣A-Za-z0-9·]*(?:(?P<person>{_PERSON})|(?P<body>{_BODY})))"
    r"(?P<particle>은|는|이|가) (?P<rest>\S.*)",
    re.DOTALL,
)


class Actor(NamedTuple):
    """Who acts, the rest of the sentence, whether it is a person, and whether it leads all of it (은/는)."""

    name: str
    rest: str
    is_person: bool
    leads: bool


def split_actor(sentence: str) -> Actor | None:
    """Part ``보안요원은 문을 잠근다.`` into who acts and the rest; None where nobody is named in front."""
    found = _ACTOR.fullmatch(sentence)
    if found is None or has_condition(f"{found['name']} "):
        return None
    return Actor(found["name"], found["rest"], bool(found["person"]), found["particle"] in "은는")
