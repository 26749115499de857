"""Access keys and personal data in a text: what kind, and where. The values themselves are never handed on.

Personal data here is what a pattern can tell for certain or nearly so; names of people it cannot tell.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from millhand.shell import MASK
from millhand.text.pii import find_pii

# Rows carry hashes, whose digits would be looked at as numbers.
_HASH = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32,}(?![0-9A-Za-z])")
# All kinds but an address hold six digits or more, in whatever script (millhand.text.pii_patterns).
_DIGIT, _FEWEST_DIGITS = re.compile(r"\d"), 6
_AT = re.compile(r"[@＠﹫]|[\[(]\s?at\s?[\])]", re.I)
Group: TypeAlias = Literal["secrets", "personal-data"]
# What never belongs into public data. Companies' numbers, landlines and addresses stand in every report.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "resident": "a resident number",
        "foreigner": "a foreigner's registration number",
        "passport": "a passport number",
        "driver": "a driving licence number",
        "mobile": "a mobile number",
        "email": "an e-mail address",
        "card": "a card number",
        "account": "a bank account",
    }
)


class Leak(NamedTuple):
    """One hit: characters ``start`` to ``end`` of the text that was looked through."""

    group: Group
    kind: str
    start: int
    end: int


class _Pattern(NamedTuple):
    """``hint``: a text without any of it, in lower case, cannot match: the slow expression is not tried."""

    kind: str
    hint: tuple[str, ...]
    expression: re.Pattern[str]
    holds: Callable[[str], bool] = bool


def find_leaks(text: str) -> Iterator[Leak]:
    """All hits in a text; two may overlap."""
    yield from find_secrets(text)
    told = _HASH.sub(lambda found: " " * len(found[0]), text)
    if len(_DIGIT.findall(told)) < _FEWEST_DIGITS and not _AT.search(told):
        return
    for hit in find_pii(told, _KINDS):
        if hit.kind != "email" or _reachable(text[hit.start : hit.end]):
            yield Leak("personal-data", _KINDS[hit.kind], hit.start, hit.end)


def find_secrets(text: str) -> Iterator[Leak]:
    """The access keys in a text."""
    lower = text.lower()
    hinted = {number for hint, number in _HINTS if hint in lower}
    for number in sorted(hinted):
        pattern = _PATTERNS[number]
        for match in pattern.expression.finditer(text):
            group = 1 if match.re.groups else 0
            if pattern.holds(match[group]):
                yield Leak("secrets", pattern.kind, *match.span(group))


def masked(text: str) -> str:
    """The text with every access key masked; personal data stays, it may be what the text is about."""
    hits = sorted((leak.start, leak.end) for leak in find_secrets(text))
    kept, place = [], 0
    for start, end in hits:
        if end > place:
            kept += [text[place : max(start, place)], MASK]
            place = end
    return "".join([*kept, text[place:]])


def _secret(kind: str, hint: str, expression: str, holds: Callable[[str], bool] = bool) -> _Pattern:
    return _Pattern(kind, tuple(hint.split("|")), re.compile(expression), holds)


def _mixed(value: str) -> bool:
    """Whether it looks drawn, not written: digits and letters, and 3 bits a character or more."""
    kinds = sum(any(test(c) for c in value) for test in (str.isdigit, str.islower, str.isupper))
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return kinds >= 2 and any(c.isdigit() for c in value) and bits >= 3.0


def _reachable(value: str) -> bool:
    """Whether an address is not one of those that stand in examples (RFC 2606)."""
    domain = value.rpartition("@")[2].lower()
    reserved = ("example.com", "example.org", "example.net")
    return not domain.endswith((".example", ".test", ".invalid", ".localhost", *reserved))


_START, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
_KEY_WORD = (
    r"(?i:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|"
    r"credential|비밀번호|인증키|암호)"
)
_PATTERNS = (
    _secret("a Hugging Face token", "hf_", rf"{_START}hf_[A-Za-z0-9]{{30,}}{_END}"),
    _secret("a Hugging Face organisation token", "api_org_", rf"{_START}api_org_[A-Za-z0-9]{{30,}}{_END}"),
    _secret("an API key (sk-)", "sk-", rf"{_START}sk-[A-Za-z0-9_-]{{20,}}{_END}", _mixed),
    _secret("an AWS access key", "akia|asia", rf"{_START}(?:AKIA|ASIA)[A-Z0-9]{{16}}{_END}"),
    _secret(
        "a GitHub token",
        "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        rf"{_START}(?:gh[pousr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{36,}}){_END}",
    ),
    _secret("a GitLab token", "glpat-", rf"{_START}glpat-[A-Za-z0-9_-]{{20,}}{_END}"),
    _secret("a RunPod key", "rpa_", rf"{_START}rpa_[A-Za-z0-9]{{30,}}{_END}"),
    _secret("a Google API key", "aiza", rf"{_START}AIza[A-Za-z0-9_-]{{35}}{_END}"),
    _secret("a Slack token", "xox", rf"{_START}xox[abprs]-[A-Za-z0-9-]{{10,}}{_END}"),
    _secret("a PyPI token", "pypi-", rf"{_START}pypi-[A-Za-z0-9_-]{{50,}}{_END}"),
    _secret(
        "a JSON web token", "eyj",
        rf"{_START}eyJ[A-Za-z0-9_-]{{10,}}\.eyJ[A-Za-z0-9_-]{{10,}}\.[A-Za-z0-9_-]{{10,}}{_END}",
    ),
    _secret(
        "a private key",
        "private key-----",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{1,40}-----)?",
    ),
    _secret("a password in an address", "://", r"[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{1,64}:([^\s:/@]{6,64})@[\w.-]+"),
    _secret(
        "a value that looks like a key",
        "pass|secret|token|key|credential|비밀번호|인증키|암호",
        rf"{_KEY_WORD}[\"']?\s*(?:=|:|은|는)\s*[\"']?([A-Za-z0-9+/_.~-]{{16,}}={{0,2}})",
        _mixed,
    ),
)  # fmt: skip
_HINTS = tuple((hint, number) for number, pattern in enumerate(_PATTERNS) for hint in pattern.hint)
