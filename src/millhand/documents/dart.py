"""DART filings: the ZIP that the open API's ``document.xml`` answers with, or an XML taken out of it.

A ZIP holds the report (``20240312000736.xml``) and perhaps its audit reports (``…_00760.xml``,
``…_00761.xml`` consolidated), each a document of its own: they use the same section keys with other
meanings. Sources of the format: https://opendart.fss.or.kr/guide/detail.do?apiGrpCd=DS001&apiId=2019003 and
real filings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from millhand.documents.archive import MAGIC, Member, members
from millhand.documents.dart_blocks import fill
from millhand.documents.dart_tables import inline_text
from millhand.documents.dart_xml import decode, parse, sanitise, unwrap
from millhand.documents.document import Document, Kind, Reading
from millhand.documents.outline import Outline
from millhand.documents.source import Source, broken, make_document
from millhand.errors import Finding

if TYPE_CHECKING:
    from lxml.etree import _Element

_RECEIPT = re.compile(r"(\d{14})(?:_(\d{5}))?")
_AUDITS: dict[str, Kind] = {"00760": "dart-audit", "00761": "dart-audit-consolidated"}
_PERIODS = {"PERIODFROM": "period_from", "PERIODTO": "period_to"}
# Counted of the XML itself: what a reader of the document can hold its sections and tables against.
_COUNTED = {"SECTION-1": "elements_section_1", "TITLE": "elements_title", "TABLE": "elements_table"}
_FETCH = "Fetch the filing again."
_NAME = "Name a filing of DART; save other XML as HTML, Markdown or text, and name that."
_UNPACK = "Name a filing of DART; if its files lie in ZIPs of their own, unpack it and name those."
_ROOT, _TAG = "<DOCUMENT", re.compile(r"<[A-Za-z][\w.:-]*")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEAD = 4096  # what is looked at of a file that may be DART's answer


def read_dart(source: Source) -> Reading:
    """The documents of a filing, the report first, then its audit reports.

    Facts of each: ``acode`` and ``report`` (what it is), ``company``, ``corp_code``, ``rcept_no``,
    ``period_from`` and ``period_to`` (YYYYMMDD), and how many SECTION-1, TITLE and TABLE elements it has.
    """
    documents: list[Document] = []
    findings: list[Finding] = []
    for made in _read(source):
        documents.append(made) if isinstance(made, Document) else findings.append(made)
    documents.sort(key=lambda document: (document.kind != "dart", document.id))
    if not documents and not findings:
        findings.append(broken(source, "holds no XML of a filing", _UNPACK))
    return Reading(tuple(documents), tuple(findings))


def _read(source: Source) -> Iterator[Document | Finding]:
    for member in _members(source):
        if isinstance(member, Finding):
            yield member
        elif member.name.lower().endswith(".xml"):
            yield _document(source, member)


def _members(source: Source) -> Iterator[Member | Finding]:
    with source.path.open("rb") as file:
        head = file.read(len(MAGIC))
    if head == MAGIC:
        yield from members(source.path)
    elif source.path.suffix.lower() == ".zip":
        yield _no_zip(source)
    else:
        yield Member(source.path.name, source.path.read_bytes())


def _no_zip(source: Source) -> Finding:
    """DART's API answers an error as XML with HTTP 200; saved, it is a ZIP by name only."""
    with source.path.open("rb") as file:
        text = file.read(_HEAD).decode("utf-8", errors="replace")
    return _answer(source, text) or broken(source, "is no ZIP, whatever its name says", _FETCH)


def _answer(source: Source, text: str) -> Finding | None:
    status = re.search(r"<status>(\d{3})</status>", text)
    if status is None:
        return None
    said = re.search(r"<message>(.*?)</message>", text, re.DOTALL)
    what = f"is DART's answer of status {status[1]}, not a filing: {said[1].strip() if said else ''}"
    return broken(source, what.rstrip(": "), _FETCH, kind="documents.dart-status")


def _document(source: Source, member: Member) -> Document | Finding:
    try:
        text = decode(member.content)
    except UnicodeDecodeError as error:
        what = f"{member.name}: byte {error.start:,} is neither utf-8 nor cp949"
        mend = _FETCH if _ROOT.encode() in member.content else _NAME
        return broken(source, what, mend, kind="documents.wrong-encoding")
    return _parsed(source, member, text) if _ROOT in text else _foreign(source, member, text)


def _parsed(source: Source, member: Member, text: str) -> Document | Finding:
    from lxml import etree

    try:
        root = parse(sanitise(unwrap(text)))
    except etree.XMLSyntaxError as error:
        return broken(source, f"{member.name}: is no whole XML: {error.msg}", _FETCH)
    return _made(source, member, root) if root.tag == _ROOT[1:] else _foreign(source, member, text)


def _foreign(source: Source, member: Member, text: str) -> Finding:
    """The finding of XML that is none of DART's, whole or not: their root is DOCUMENT in every filing."""
    root = _TAG.search(_COMMENT.sub("", text))
    what = f"XML of another kind ({root[0]}>)" if root else "no XML at all"
    said = _answer(source, text[:_HEAD])
    return said or broken(source, f"{member.name}: is no DART filing: {what}", _NAME)


def _made(source: Source, member: Member, root: _Element) -> Document:
    facts = _facts(member.name, root)
    outline = Outline()
    body = root.find(".//BODY")
    fill(outline, root if body is None else body)
    title = " ".join(str(facts[name]) for name in ("company", "report", "period_to") if name in facts)
    receipt = _RECEIPT.search(member.name)
    return make_document(
        source, _kind(facts, member.name), title, outline, facts=facts, name=receipt[0] if receipt else ""
    )


def _kind(facts: dict[str, str | int], name: str) -> Kind:
    receipt = _RECEIPT.search(name)
    code = (receipt[2] if receipt else None) or str(facts.get("acode", ""))
    return _AUDITS.get(code, "dart")


def _facts(name: str, root: _Element) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    receipt = _RECEIPT.search(name)
    if receipt:
        found["rcept_no"] = receipt[1]
    for tag, attribute, code, text in (
        ("DOCUMENT-NAME", "ACODE", "acode", "report"),
        ("COMPANY-NAME", "AREGCIK", "corp_code", "company"),
    ):
        element = next(root.iter(tag), None)
        if element is not None:
            found |= {code: element.get(attribute, ""), text: inline_text(element)}
    found |= _periods(root)
    found |= {fact: sum(1 for _ in root.iter(tag)) for tag, fact in _COUNTED.items()}
    return {fact: value for fact, value in found.items() if value != ""}


def _periods(root: _Element) -> dict[str, str]:
    """The period that the cover states: the first of each in the file."""
    found: dict[str, str] = {}
    for cell in root.iter("TU", "TE"):
        fact = _PERIODS.get(cell.get("AUNIT", ""))
        if fact and fact not in found and cell.get("AUNITVALUE"):
            found[fact] = cell.get("AUNITVALUE", "")
        if len(found) == len(_PERIODS):
            break
    return found
