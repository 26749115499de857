"""What a filing is, from the documents in its ZIP: whose, of which year, which report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from millhand.dart.reports import CODES, report_of_period
from millhand.documents.document import Document

UNKNOWN = "unknown"
_CORP_CODE, _RECEIPT, _DATE = re.compile(r"\d{8}"), re.compile(r"\d{14}"), re.compile(r"\d{8}")


class Identity(msgspec.Struct, frozen=True):
    """A filing, as the chunks of all documents in its ZIP name it.

    ``year`` is the one in which the report's period ends. ``reprt_code`` is empty where it is no periodic
    report, or a quarter of which it is not sure which; dates are YYYYMMDD, empty where not known.
    """

    corp_code: str
    corp_name: str
    year: int | None
    reprt_code: str
    report: str
    rcept_no: str
    rcept_dt: str
    period_from: str
    period_to: str


class Home(NamedTuple):
    """Where a filing's files lie, below ``docs`` and ``facts``."""

    corp: str
    year: str
    report: str

    def __str__(self) -> str:
        return "/".join(self)


def identify(documents: Sequence[Document]) -> Identity:
    """The filing that documents are from: the main report says it, else the first that is there."""
    main = next((document for document in documents if document.kind == "dart"), documents[0])
    facts = {name: str(value) for name, value in main.facts.items()}
    begin, end = (_kept(_DATE, facts.get(name, "")) for name in ("period_from", "period_to"))
    report = report_of_period(facts.get("report", ""), begin, end)
    receipt = _kept(_RECEIPT, facts.get("rcept_no", ""))
    return Identity(
        corp_code=_kept(_CORP_CODE, facts.get("corp_code", "")),
        corp_name=facts.get("company", ""),
        year=int(end[:4]) if end else None,
        reprt_code=CODES[report] if report else "",
        report=facts.get("report", ""),
        rcept_no=receipt,
        rcept_dt=receipt[:8],
        period_from=begin,
        period_to=end,
    )


def home_of(identity: Identity) -> Home:
    """The folders of a filing; what is not known is ``unknown``. Each is digits, so none leads elsewhere."""
    year = str(identity.year) if identity.year else UNKNOWN
    return Home(identity.corp_code or UNKNOWN, year, identity.reprt_code or UNKNOWN)


def _kept(pattern: re.Pattern[str], text: str) -> str:
    return text if text.isascii() and pattern.fullmatch(text) else ""
