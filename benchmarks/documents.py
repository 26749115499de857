"""How fast documents are read, beside what reads them bare: medians, interleaved, CPU time of one core.

    python -m benchmarks.documents [FOLDER] [--tables]

FOLDER holds DART filings (ZIP) and PDFs; without it, a filing and a PDF are made of the same size as a
large annual report's. Goals: DART at 4 MB/s of XML at least from ZIP to blocks; a PDF in less than twice
the time in which PDFium gives its bare text. ``--tables`` reads the tables of PDFs too, once.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from millhand.documents.dart import read_dart
from millhand.documents.dart_xml import decode, parse, sanitise, unwrap
from millhand.documents.pdf import read_pdf
from millhand.documents.source import Source, open_source

ROUNDS = 5
SECTIONS, PAGES, LINES = 60, 500, 45
_ROW = '<TR><TD ROWSPAN="1">유동자산 R&D</TD>' + "<TE>\n<P>195,936,557</P>\n</TE>" * 6 + "</TR>\n"
_TEXT = (
    "당사는 본사를 거점으로 해외 지역총괄의 생산ㆍ판매법인과 종속기업으로 구성된 글로벌 전자 기업입니다. " * 8
)


def make_filing(path: Path) -> None:
    """A filing of about 6 MB of XML: sections, each with paragraphs and a table of 500 rows."""
    table = f'<TABLE BORDER="1"><TBODY>{_ROW * 500}</TBODY></TABLE>'
    section = f"<SECTION-1><TITLE>I. 개요</TITLE>{f'<P>{_TEXT}</P>' * 20}{table}</SECTION-1>\n"
    xml = f"<DOCUMENT><BODY>{section * SECTIONS}</BODY></DOCUMENT>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20240101000001.xml", xml)


def make_pdf(path: Path) -> None:
    """A PDF of 500 pages of 45 lines, written by what the tests write theirs with."""
    from tests.unit.documents.pdfs import Text, write_pdf

    page = [
        Text(50, 780 - 16 * n, _TEXT[n : n + 45].strip(), 14 if n % 15 == 0 else 10) for n in range(LINES)
    ]
    write_pdf(path, [[*page] for _ in range(PAGES)])


def xml_bytes(source: Source) -> int:
    """The bytes of XML in a filing."""
    with zipfile.ZipFile(source.path) as archive:
        return sum(info.file_size for info in archive.infolist() if info.filename.endswith(".xml"))


def strict_xml(source: Source) -> None:
    """Unpack, decode, escape and parse a filing and touch every element: no blocks are made."""
    with zipfile.ZipFile(source.path) as archive:
        for name in archive.namelist():
            root = parse(sanitise(unwrap(decode(archive.read(name)))))
            sum(1 for element in root.iter() if element.text)


def bare_pdf(source: Source) -> None:
    """What PDFium needs for the text of every page."""
    import pypdfium2

    with pypdfium2.PdfDocument(source.path) as pdf:
        for index in range(len(pdf)):
            page = pdf[index]
            text = page.get_textpage()
            text.get_text_range()
            text.close()
            page.close()


def seconds(work: Callable[[], object]) -> float:
    """The CPU time of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def medians(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median CPU time of each, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def measure_dart(source: Source) -> None:
    """Print a row for a filing."""
    found = medians({"bare": lambda: strict_xml(source), "read": lambda: read_dart(source)})
    megabytes = xml_bytes(source) / 1e6
    rate = megabytes / found["read"]
    print(
        f"| {source.name} | {megabytes:.1f} MB of XML | {found['read']:.2f} s | {rate:.1f} MB/s "
        f"| unpack, escape, parse: {found['bare']:.2f} s | {found['read'] / found['bare']:.2f} |"
    )


def measure_pdf(source: Source, *, tables: bool) -> None:
    """Print a row for a PDF, and one for its tables where asked for."""
    found = medians({"bare": lambda: bare_pdf(source), "read": lambda: read_pdf(source)})
    reading = read_pdf(source)
    pages = int(reading.documents[0].facts["pages"])
    print(
        f"| {source.name} | {pages} pages | {found['read']:.2f} s | {pages / found['read']:.0f} pages/s "
        f"| pypdfium2, bare text: {found['bare']:.2f} s | {found['read'] / found['bare']:.2f} |"
    )
    if tables:
        took = seconds(lambda: read_pdf(source, tables=True))
        print(
            f"| {source.name}, with tables | {pages} pages | {took:.1f} s | {pages / took:.1f} pages/s | | |"
        )


def main(arguments: list[str]) -> None:
    """Measure and print a Markdown table."""
    folders = [Path(argument) for argument in arguments if not argument.startswith("--")]
    print("| file | size | time | rate | peer | peer = 1 |\n| --- | ---: | ---: | ---: | --- | ---: |")
    with tempfile.TemporaryDirectory() as temporary:
        if not folders:
            folders = [Path(temporary)]
            make_filing(folders[0] / "filing.zip")
            make_pdf(folders[0] / "manual.pdf")
        for file in sorted(file for folder in folders for file in folder.rglob("*")):
            if file.suffix == ".pdf":
                measure_pdf(open_source(file), tables="--tables" in arguments)
            elif file.suffix == ".zip" and read_dart(open_source(file)).documents:
                measure_dart(open_source(file))


if __name__ == "__main__":
    main(sys.argv[1:])
