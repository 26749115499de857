"""Fetches filings: corporations, lists, then each document once; what is done stays done.

Layout of ``out``: ``corporations.json``, ``catalogue/{year}.jsonl``, ``raw/{corp_code}/{rcept_no}.zip``.
A ZIP is written whole or not at all, so its being there says that it is fetched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from millhand.dart.answers import Listed, is_whole_zip
from millhand.dart.api import OpenDart
from millhand.dart.catalogue import Filing, raw_path, read_catalogue, write_catalogue
from millhand.dart.corporations import Directory, Match
from millhand.dart.reports import CODES, Named, Report, read_name, report_of, year_end_month
from millhand.dart.statuses import DartError, ItemError
from millhand.errors import Finding
from millhand.files import atomic_writer, locked

_RECEIPT, _CODE = re.compile(r"[0-9]{14}"), re.compile(r"[0-9]{8}")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch. ``last_only`` leaves out reports that a later one corrects; ``today`` ends the lists."""

    corporations: tuple[str, ...]
    years: range
    reports: tuple[Report, ...]
    today: date
    last_only: bool = True
    dry_run: bool = False


@dataclass
class Fetched:
    """What became of an order.

    ``filings`` are those that it means, in order; ``fetched`` and ``standing`` count the ZIPs of this call
    and of earlier ones. ``stopped`` is the error that ended it early; then ``unlisted`` corporations
    were not looked up yet.
    """

    filings: list[Filing] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    fetched: int = 0
    standing: int = 0
    unlisted: int = 0
    stopped: DartError | None = None

    @property
    def due(self) -> int:
        """How many filings are still to be fetched."""
        return sum(filing.state == "due" for filing in self.filings)


def fetch(
    api: OpenDart, order: Order, out: Path, *, progress: Progress = lambda _what, _done, _of: None
) -> Fetched:
    """Carry out an order below ``out``; ``progress`` is told what is asked for, how many are done, of all.

    A second call at the same time waits for the first. An error that ends it early (status 020, a wrong
    key, no network) is in the answer; what was fetched stays, and the same call goes on.
    """
    done = Fetched()
    with locked(out / ".lock", lambda: api.tell(f"Waiting for another fetch into {out} …")):
        try:
            _list_all(api, order, out, done, progress)
            if not order.dry_run:
                _fetch_all(api, out, done, progress)
        except DartError as error:
            done.stopped = error
        finally:
            if not order.dry_run:
                _note(out, done)
    return done


def _list_all(api: OpenDart, order: Order, out: Path, done: Fetched, progress: Progress) -> None:
    progress("corporations", 0, len(order.corporations))
    done.unlisted = len(order.corporations)
    matches = Directory(out, api.corporations, order.today).find(order.corporations)
    done.findings += [match.finding for match in matches if match.finding]
    known = read_catalogue(out)
    corporations = {match.corporation.corp_code: match for match in matches if match.corporation}
    for number, match in enumerate(corporations.values()):
        done.unlisted = len(corporations) - number
        progress(f"list of {match.query}", number, len(corporations))
        filings = [_standing(out, filing, known) for filing in _list_one(api, order, match, done)]
        done.filings += filings
        done.standing += sum(filing.state == "fetched" for filing in filings)
    done.unlisted = 0


def _list_one(api: OpenDart, order: Order, match: Match, done: Fetched) -> list[Filing]:
    corporation = match.corporation
    if corporation is None:
        return []
    begin = date(order.years.start, 1, 1)
    try:
        listed = api.filings(corporation.corp_code, begin, order.today, last_only=order.last_only)
    except ItemError as error:
        done.findings.append(_failed("dart.no-list", match.query, error))
        return []
    filings, unclear = chosen(listed, order.years, order.reports)
    done.findings += [_unclear(filing) for filing in unclear]
    if not filings:
        done.findings.append(_nothing(match.query, order))
    return filings


def chosen(
    listed: Sequence[Listed], years: Iterable[int], reports: Sequence[Report]
) -> tuple[list[Filing], list[Listed]]:
    """The filings of a corporation that are meant, and quarters of which it is not sure which they are."""
    named = [(filing, name) for filing in listed if (name := read_name(filing.report_nm))]
    end = year_end_month(name for _, name in named)
    found: list[Filing] = []
    unclear: list[Listed] = []
    for filing, name in named:
        report = report_of(name, end)
        if name.year not in years or not _is_safe(filing):
            continue
        if report is None:
            unclear.append(filing)
        elif report in reports:
            found.append(_filing(filing, name, report))
    return sorted(found, key=lambda filing: filing.rcept_no), unclear


def _is_safe(filing: Listed) -> bool:
    """Whether the numbers that make its path are numbers."""
    return bool(_RECEIPT.fullmatch(filing.rcept_no) and _CODE.fullmatch(filing.corp_code))


def _filing(listed: Listed, name: Named, report: Report) -> Filing:
    return Filing(
        rcept_no=listed.rcept_no,
        corp_code=listed.corp_code,
        corp_name=listed.corp_name,
        stock_code=listed.stock_code.strip(),
        corp_cls=listed.corp_cls,
        report=report,
        reprt_code=CODES[report],
        year=name.year,
        month=name.month,
        report_nm=listed.report_nm,
        rcept_dt=listed.rcept_dt,
        flr_nm=listed.flr_nm,
        rm=listed.rm,
    )


def _standing(out: Path, filing: Filing, known: dict[str, Filing]) -> Filing:
    """The filing as fetched where its ZIP is there and whole; what an earlier call wrote down is kept."""
    path = raw_path(out, filing)
    before = known.get(filing.rcept_no)
    if not path.is_file():
        return filing
    if before is not None and before.state == "fetched" and before.bytes == path.stat().st_size:
        return msgspec.structs.replace(
            filing, state="fetched", file=before.file, sha256=before.sha256, bytes=before.bytes
        )
    content = path.read_bytes()
    return _fetched(out, filing, content) if is_whole_zip(content) else filing


def _fetch_all(api: OpenDart, out: Path, done: Fetched, progress: Progress) -> None:
    due = [index for index, filing in enumerate(done.filings) if filing.state == "due"]
    for number, index in enumerate(due):
        filing = done.filings[index]
        progress(f"{filing.corp_name} {filing.report_nm}", number, len(due))
        try:
            content = api.document(filing.rcept_no)
        except ItemError as error:
            done.findings.append(_failed("dart.no-file", f"{filing.corp_name} {filing.report_nm}", error))
            done.filings[index] = msgspec.structs.replace(filing, state="no-file")
            continue
        with atomic_writer(raw_path(out, filing)) as file:
            file.write(content)
        done.filings[index] = _fetched(out, filing, content)
        done.fetched += 1


def _fetched(out: Path, filing: Filing, content: bytes) -> Filing:
    return msgspec.structs.replace(
        filing,
        state="fetched",
        file=raw_path(out, filing).relative_to(out).as_posix(),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def _note(out: Path, done: Fetched) -> None:
    if done.filings:
        write_catalogue(out, (read_catalogue(out) | {f.rcept_no: f for f in done.filings}).values())


def _failed(kind: str, what: str, error: ItemError) -> Finding:
    return Finding(
        id=kind,
        severity="warning",
        message=f"{what}: {error.message}",
        why="It is missing; the others were fetched.",
        mend=error.mend,
    )


def _unclear(filing: Listed) -> Finding:
    return Finding(
        id="dart.unclear-quarter",
        severity="warning",
        message=f"{filing.corp_name} {filing.report_nm} ({filing.rcept_no}): neither first nor third quarter",
        why="The end of the business year is not known or has changed, so the report was left out.",
        mend="Ask for more years, so that an annual report is in the list.",
    )


def _nothing(query: str, order: Order) -> Finding:
    years = f"{order.years.start}-{order.years.stop - 1}"
    return Finding(
        id="dart.no-reports",
        severity="warning",
        message=f"{query}: none of {', '.join(order.reports)} was filed for {years}",
        why="Nothing of it was fetched.",
        mend="Not every corporation files periodic reports; see its page at https://dart.fss.or.kr.",
    )
