"""Personal data in Korean text: found by its own patterns, and masked. Names of people are not looked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple, get_args

from millhand.text.keyed import keyed
from millhand.text.pii_judges import PiiKind, Seen
from millhand.text.pii_patterns import RULES, Rule

KINDS: tuple[PiiKind, ...] = get_args(PiiKind)
# Numbers of companies are public, and so are most addresses in reports: they are found where asked for.
PERSONAL: tuple[PiiKind, ...] = tuple(
    kind for kind in KINDS if kind not in ("business", "corporate", "address")
)
LABELS: dict[PiiKind, str] = {
    "resident": "[주민등록번호]",
    "foreigner": "[외국인등록번호]",
    "passport": "[여권번호]",
    "driver": "[운전면허번호]",
    "mobile": "[휴대전화번호]",
    "landline": "[전화번호]",
    "email": "[이메일]",
    "card": "[카드번호]",
    "account": "[계좌번호]",
    "ip": "[IP주소]",
    "birth": "[생년월일]",
    "address": "[주소]",
    "business": "[사업자등록번호]",
    "corporate": "[법인등록번호]",
}
MaskStyle = Literal["label", "shape"]
_BEFORE, _AFTER = 40, 15
_CODE = re.compile(r"^[0-9][A-Za-z]|[A-Za-z]$")  # digits of a hash or of a part's number
_SIGN = re.compile(r"[^\W_]")


class Hit(NamedTuple):
    """Personal data in a text: its kind, and where it stands there. The value itself is kept nowhere."""

    start: int
    end: int
    kind: PiiKind


def find_pii(text: str, kinds: Collection[str] = PERSONAL, *, context: str = "") -> list[Hit]:
    """The personal data in ``text``, in order; none overlaps another.

    Args:
        kinds: Those that are wanted. What is known to be of another kind is left out.
        context: What speaks for it and stands elsewhere: the heading of a table's column.
    """
    key = keyed(text)
    context = keyed(context).text
    found: list[Hit] = []
    for rule in RULES:
        if rule.gate.search(key.text) or (context and rule.gate.search(context)):
            found.extend(_matches(rule, key.text, context))
    spans = (Hit(*key.span(hit.start, hit.end), hit.kind) for hit in found)
    return [hit for hit in joined(spans) if hit.kind in kinds]


def _matches(rule: Rule, key: str, context: str) -> Iterator[Hit]:
    for match in rule.pattern.finditer(key):
        lead = match.groupdict().get("lead") or ""
        start, end = match.start() + len(lead), match.end()
        if key[start:end].isdigit() and _CODE.search(key[max(0, start - 2) : end + 1]):
            continue
        seen = Seen(
            key[start:end], lead, key[max(0, start - _BEFORE) : start], key[end : end + _AFTER], context
        )
        kind = rule.judge(seen)
        if kind is not None:
            yield Hit(start, end, kind)


def joined(hits: Iterable[Hit]) -> list[Hit]:
    """Hits without overlaps, in order: where some share a sign, the first of them names what all cover."""
    kept: list[tuple[int, Hit]] = []
    for rank, hit in sorted(enumerate(hits), key=lambda ranked: ranked[1]):
        over = kept.pop() if kept and hit.start < kept[-1][1].end else (rank, hit)
        first = min(over, (rank, hit))
        kept.append((first[0], Hit(over[1].start, max(over[1].end, hit.end), first[1].kind)))
    return [hit for _, hit in kept]


def mask(text: str, hits: Iterable[Hit], style: MaskStyle = "label") -> str:
    """``text`` with each hit replaced: by its label (``[전화번호]``), or sign by sign (``***-****-****``)."""
    parts, at = [], 0
    for hit in hits:
        value = text[hit.start : hit.end]
        parts += [text[at : hit.start], LABELS[hit.kind] if style == "label" else _SIGN.sub("*", value)]
        at = hit.end
    return "".join([*parts, text[at:]])


def veiled(text: str) -> str:
    """``text`` as it may be shown to anyone: each letter and digit of personal data is a star."""
    return mask(text, find_pii(text), "shape")
