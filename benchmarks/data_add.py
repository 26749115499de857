"""`millhand data add` against the barest loop that writes the same rows, in the same run.

    python -m benchmarks.data_add [--rows 100000] [--repeat 3]

Each measurement is a process of its own: its time from start to end, and its peak resident memory.
The peer reads the file with the fastest plain reader of its kind (csv, orjson, python-calamine, pyarrow) and
writes {instruction, input, output} with orjson: no checks, no provenance, no hashes. Ratios of the same
run can be compared between machines; seconds cannot.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

_WORDS = (
    *("민원", "신청", "접수", "처리", "기간", "담당", "부서", "안내", "서류"),
    *("발급", "수수료", "방문", "확인", "신분증", "주소", "세금", "납부", "기한"),
)
_XLSX_SHARE = 5

_READ = {
    "csv": "import csv; rows = csv.DictReader(open(sys.argv[1], encoding='utf-8', newline=''))",
    "jsonl": "rows = (orjson.loads(line) for line in open(sys.argv[1], 'rb'))",
    "json": "rows = orjson.loads(open(sys.argv[1], 'rb').read())",
    "xlsx": "import python_calamine as c;"
    " s = c.CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0);"
    " it = s.iter_rows(); head = next(it); rows = (dict(zip(head, cells)) for cells in it)",
    "parquet": "import pyarrow.parquet as p;"
    " rows = (r for b in p.ParquetFile(sys.argv[1]).iter_batches(1024) for r in b.to_pylist())",
}
_PEER = """
import sys, orjson
{read}
with open(sys.argv[2], "wb") as out:
    for r in rows:
        row = {{"instruction": r["질문"], "input": r["상황"], "output": r["답변"]}}
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
"""


class Measured(NamedTuple):
    """Seconds of wall-clock time and MiB of peak resident memory."""

    seconds: float
    peak_mib: float


def main() -> None:
    """Measure every format and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--write", nargs=2, metavar=("KIND", "PATH"), help="only write such a file of --rows rows"
    )
    arguments = parser.parse_args()
    if arguments.write:
        kind, path = arguments.write
        WRITERS[kind](Path(path), arguments.rows)
        return
    print(f"{'file':<8}{'rows':>9}{'MB':>7}{'rows/minute':>14}{'peak MiB':>10}{'peer MiB':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in WRITERS:
            rows = arguments.rows // _XLSX_SHARE if kind == "xlsx" else arguments.rows
            print(_line(Path(folder), kind, rows, arguments.repeat), flush=True)


def _line(folder: Path, kind: str, rows: int, repeat: int) -> str:
    source = folder / f"qa.{kind}"
    # In a process of its own: a process starts with the peak memory of the one that started it.
    _measure([sys.executable, __file__, "--rows", str(rows), "--write", kind, str(source)], folder)
    ours, peer = [], []
    for number in range(repeat):
        peer.append(_peer(source, folder / f"{kind}{number}.jsonl", kind))
        ours.append(_ours(source, folder / f"{kind}{number}"))
    seconds, peer_seconds = (statistics.median(m.seconds for m in several) for several in (ours, peer))
    peak, peer_peak = (max(m.peak_mib for m in several) for several in (ours, peer))
    size = source.stat().st_size / 1e6
    rate, ratio = rows / seconds * 60, seconds / peer_seconds
    return f"{kind:<8}{rows:>9,}{size:>7.1f}{rate:>14,.0f}{peak:>10.0f}{peer_peak:>10.0f}{ratio:>8.2f}"


def _ours(source: Path, workspace: Path) -> Measured:
    for name in ("dataset_registry", "llamafactory_configs"):
        (workspace / name).mkdir(parents=True)
    mapping = "instruction=질문,input=상황,output=답변"
    return _measure(
        [sys.executable, "-m", "millhand", "data", "add", str(source), "--map", mapping], workspace
    )


def _peer(source: Path, target: Path, kind: str) -> Measured:
    code = _PEER.format(read=_READ[kind])
    return _measure([sys.executable, "-c", code, str(source), str(target)], source.parent)


def _measure(argv: list[str], folder: Path) -> Measured:
    start = time.perf_counter()
    process = os.fork()
    if process == 0:
        os.chdir(folder)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.execv(argv[0], argv)
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{argv[:6]} failed: run it by hand")
    return Measured(time.perf_counter() - start, usage.ru_maxrss / 1024)


def _rows(count: int) -> Iterator[dict[str, str]]:
    """Rows of about 250 Korean letters, the same at each call."""
    luck = random.Random(7)
    for number in range(count):
        words = luck.choices(_WORDS, k=70)
        yield {
            "질문": f"{number}번 {' '.join(words[:10])}은 어떻게 하나요?",
            "상황": " ".join(words[10:20]),
            "답변": f"{' '.join(words[20:])}하시면 됩니다.",
        }


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["질문", "상황", "답변"])
        writer.writeheader()
        writer.writerows(_rows(count))


def _write_jsonl(path: Path, count: int) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in _rows(count))


def _write_json(path: Path, count: int) -> None:
    path.write_bytes(orjson.dumps(list(_rows(count)), option=orjson.OPT_INDENT_2))


def _write_parquet(path: Path, count: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(_rows(count))), path)


def _write_xlsx(path: Path, count: int) -> None:
    openpyxl = importlib.import_module("openpyxl")  # it has no types to import it with

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("QA")
    sheet.append(["질문", "상황", "답변"])
    for row in _rows(count):
        sheet.append(list(row.values()))
    book.save(path)


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "json": _write_json,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}

if __name__ == "__main__":
    main()
