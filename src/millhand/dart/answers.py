"""Reads what DART's API answers with: JSON lists, ZIPs, and errors as XML behind HTTP 200.

Source of the shapes: https://opendart.fss.or.kr/guide/main.do?apiGrpCd=DS001 and real answers.
"""

from __future__ import annotations

import io
import re
import zipfile

import msgspec

from millhand.dart.statuses import NO_DATA, OK, AskAgainError, DartError, refusal
from millhand.text.normal import nfc

_MAGIC = b"PK"
_STATUS = re.compile(rb"<status>\s*(\d{3})\s*</status>")
_MESSAGE = re.compile(rb"<message>(.*?)</message>", re.DOTALL)
_MOST_TABLE_BYTES = 512 << 20
_SHOWN = 200  # characters of an answer that nobody expected


class Corporation(msgspec.Struct, frozen=True):
    """A row of the table of corporations. ``stock_code`` is empty where it is not listed.

    ``modify_date`` is YYYYMMDD.
    """

    corp_code: str
    corp_name: str
    stock_code: str = ""
    modify_date: str = ""


class Listed(msgspec.Struct, frozen=True):
    """A filing as a list names it; ``rcept_dt`` is YYYYMMDD, ``corp_cls`` Y, K, N or E."""

    corp_code: str
    corp_name: str
    report_nm: str
    rcept_no: str
    rcept_dt: str
    flr_nm: str = ""
    stock_code: str = ""
    corp_cls: str = ""
    rm: str = ""


class ListPage(msgspec.Struct, frozen=True):
    """A page of a list of filings, and how many pages there are."""

    filings: tuple[Listed, ...]
    page: int
    pages: int


class _List(msgspec.Struct):
    status: str
    message: str = ""
    page_no: int = 1
    total_page: int = 1
    list: tuple[Listed, ...] = ()


def read_list(content: bytes, asked: str) -> ListPage:
    """A page of ``list.json``; one without filings for status 013.

    Raises:
        DartError: The answer has another status, or cannot be read.
    """
    try:
        answer = msgspec.json.decode(content, type=_List)
    except msgspec.ValidationError as error:
        raise DartError(
            f"DART's answer to {asked} has another shape than documented: {error}",
            mend="The API has changed: report it with this message.",
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        if content.lstrip().startswith(b"{"):
            raise _cut_off(asked) from None
        raise read_refusal(content, asked) from None
    if answer.status == NO_DATA:
        return ListPage((), 1, 1)
    if answer.status != OK:
        raise refusal(answer.status, answer.message, asked)
    return ListPage(answer.list, answer.page_no, answer.total_page)


def read_zip(content: bytes, asked: str) -> bytes:
    """``content`` if it is a whole ZIP.

    Raises:
        DartError: It is the API's refusal, or a ZIP that was cut off.
    """
    if not content.startswith(_MAGIC):
        raise read_refusal(content, asked)
    if not is_whole_zip(content):
        raise _cut_off(asked)
    return content


def _cut_off(asked: str) -> AskAgainError:
    return AskAgainError(
        f"DART's answer to {asked} was cut off.", mend="Repeat the same command: it goes on."
    )


def is_whole_zip(content: bytes) -> bool:
    """Whether a ZIP's list, which stands at its end, is there and all of its members are before it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return all(info.header_offset < len(content) for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read_refusal(content: bytes, asked: str) -> DartError:
    """The error in an answer that is not what was asked for: XML with a status, or something else."""
    status = _STATUS.search(content[:4096])
    if status is not None:
        said = _MESSAGE.search(content[:4096])
        words = " ".join(said[1].decode("utf-8", "replace").split()) if said else ""
        return refusal(status[1].decode("ascii"), words, asked)
    shown = " ".join(content[:_SHOWN].decode("utf-8", "replace").split()) or "(nothing)"
    mend = "Wait a day if many requests were sent: DART blocks an address. Else report it."
    return DartError(f"DART answered {asked} with what cannot be read: {shown}", mend=mend)


def read_corporations(content: bytes) -> tuple[Corporation, ...]:
    """The table of corporations out of the ZIP that ``corpCode.xml`` answers with.

    Raises:
        DartError: It is not that ZIP, or its XML is broken.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        with zipfile.ZipFile(io.BytesIO(read_zip(content, "corpCode.xml"))) as archive:
            (info,) = (info for info in archive.infolist() if info.filename.lower().endswith(".xml"))
            if info.file_size > _MOST_TABLE_BYTES:
                raise DartError(f"corpCode.xml would unpack to {info.file_size:,} bytes: too many.")
            root = etree.fromstring(archive.read(info), parser)
    except (zipfile.BadZipFile, ValueError, etree.XMLSyntaxError, EOFError) as error:
        raise AskAgainError(
            f"The table of corporations is broken: {error}", mend="Repeat the command."
        ) from error
    rows = ({child.tag: (child.text or "").strip() for child in row} for row in root.iter("list"))
    return tuple(_corporation(row) for row in rows if row.get("corp_code"))


def _corporation(row: dict[str, str]) -> Corporation:
    return Corporation(
        row["corp_code"],
        nfc(row.get("corp_name", "")),
        row.get("stock_code", ""),
        row.get("modify_date", ""),
    )
