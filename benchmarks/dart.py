"""How fast filings are built, beside lxml's strict parse alone: medians, interleaved, CPU time of one core.

    python -m benchmarks.dart [FOLDER]

FOLDER holds DART filings (ZIPs named by their receipt numbers); without it, a filing is made of the size of a
large annual report's. Goal: 4 MB/s of XML at least from ZIP to blocks.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.documents import make_filing, medians, xml_bytes
from millhand.dart.build import build, filings_in
from millhand.dart.make import build_file
from millhand.dart.passages import BUDGET
from millhand.documents.dart import read_dart
from millhand.documents.dart_xml import decode, parse, sanitise, unwrap
from millhand.documents.source import Source, open_source

COPIES = 16  # of a filing, for the build over several processes


def parser(source: Source) -> Callable[[], None]:
    """What parses a filing's XML strictly, once it is unpacked and escaped, and does nothing more."""
    with zipfile.ZipFile(source.path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".xml")]
        texts = [sanitise(unwrap(decode(archive.read(name)))) for name in names]

    def work() -> None:
        for text in texts:
            parse(text)

    return work


def measure(source: Source, folder: Path) -> None:
    """Print a row for each part of the work on one filing."""
    works: dict[str, Callable[[], object]] = {
        "lxml, strict parse alone": parser(source),
        "ZIP to blocks": lambda: read_dart(source),
        "ZIP to Markdown, sentences and chunks": lambda: build_file(
            folder / "one", BUDGET, source.path, folder / "note.json"
        ),
    }
    found = medians(works)
    megabytes = xml_bytes(source) / 1e6
    peer = found["lxml, strict parse alone"]
    for name, took in found.items():
        rate, ratio = megabytes / took, took / peer
        print(f"| {source.name}, {megabytes:.1f} MB | {name} | {took:.2f} | {rate:.1f} | {ratio:.1f} |")


def measure_build(source: Source, folder: Path) -> None:
    """Print a row for a build of many filings over all cores: wall time, processes' start included."""
    raw = folder / "raw"
    raw.mkdir()
    for number in range(COPIES):
        receipt = f"2024010100{number:04}"
        with (
            zipfile.ZipFile(source.path) as old,
            zipfile.ZipFile(raw / f"{receipt}.zip", "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                new.writestr(name.replace(source.path.stem, receipt), old.read(name))
    began = time.perf_counter()
    result = build([raw], folder / "out")
    took = time.perf_counter() - began
    megabytes = COPIES * xml_bytes(source) / 1e6
    chunks = sum(made.sections + made.passages for made in result.documents)
    print(
        f"| {COPIES} copies, {megabytes:.0f} MB | `dart build`, all cores, wall time: {chunks:,} chunks "
        f"| {took:.1f} | {megabytes / took:.1f} | |"
    )


def main(arguments: list[str]) -> None:
    """Measure and print a Markdown table."""
    print("| filing, XML | work | s | MB/s | parse = 1 |\n| --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = filings_in(Path(argument) for argument in arguments)
        if not files:
            files = [folder / "20240101000001.zip"]
            make_filing(files[0])
        for file in files:
            measure(open_source(file), folder)
        measure_build(open_source(files[0]), folder)


if __name__ == "__main__":
    main(sys.argv[1:])
