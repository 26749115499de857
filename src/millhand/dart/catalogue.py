"""What was found and fetched: a JSONL file a year, a line a filing, sorted.

``catalogue/2023.jsonl`` holds the reports whose period ends in 2023. Lines of other calls stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from millhand.dart.reports import Report
from millhand.files import atomic_writer

FOLDER = "catalogue"
RAW = "raw"
State = Literal["due", "fetched", "no-file"]


class Filing(msgspec.Struct, frozen=True):
    """A filing of the catalogue.

    ``year`` and ``month`` are those in which the report's period ends. ``file`` is relative to the
    catalogue's folder's parent, with forward slashes; ``sha256`` and ``bytes`` are of that ZIP.
    """

    rcept_no: str
    corp_code: str
    corp_name: str
    stock_code: str
    corp_cls: str
    report: Report
    reprt_code: str
    year: int
    month: int
    report_nm: str
    rcept_dt: str
    flr_nm: str
    rm: str
    state: State = "due"
    file: str = ""
    sha256: str = ""
    bytes: int = 0


def raw_path(out: Path, filing: Filing) -> Path:
    """Where a filing's ZIP lies below ``out``."""
    return out / RAW / filing.corp_code / f"{filing.rcept_no}.zip"


def read_catalogue(out: Path) -> dict[str, Filing]:
    """The filings of all years by rcept_no; lines that cannot be read are left out, and so written anew."""
    found: dict[str, Filing] = {}
    decoder = msgspec.json.Decoder(Filing)
    for path in sorted((out / FOLDER).glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                filing = decoder.decode(line)
            except msgspec.MsgspecError:
                continue
            found[filing.rcept_no] = filing
    return found


def write_catalogue(out: Path, filings: Iterable[Filing]) -> list[Path]:
    """Write each year's file anew, whole; the paths, in order. A year's other lines must be among these."""
    years: dict[int, list[Filing]] = {}
    for filing in filings:
        years.setdefault(filing.year, []).append(filing)
    paths = []
    for year, members in sorted(years.items()):
        paths.append(out / FOLDER / f"{year}.jsonl")
        lines = [msgspec.json.encode(filing) for filing in sorted(members, key=_order)]
        with atomic_writer(paths[-1]) as file:
            file.write(b"".join(line + b"\n" for line in lines))
    return paths


def _order(filing: Filing) -> tuple[str, str]:
    return filing.corp_code, filing.rcept_no
