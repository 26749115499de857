"""`millhand data build` of many rows through every step but generation, against the barest loop, in one run.

    python -m benchmarks.data_build [--rows 100000] [--workers 2]

Rows are Korean questions and answers of about 300 characters, one in ten an edit of another (5% of its
words), one in fifty with a mobile number, one in a hundred the same again. The peer reads the JSONL with
orjson and writes it again: no step at all. Memory is the sum over the command and its workers at their peak,
as the kernel counts what each holds alone and its share of what they share (PSS).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NOUN_TEXT = (
    "출입문 승강기 소화기 배전반 방문객 경비원 순찰 점검표 비상구 보관함 주차장 담당자 기록 보고 장비 경보 "
    "밸브 누수 정전 화재 카드 열쇠 감시 카메라 안내소 택배 물품 창고 계단 옥상 지하 기계실 전기실 통제실 "
    "훈련 대피 신고 구급 응급 환자 침수 배수 펌프 온도 습도 전압 전류 필터 청소 소독 폐기 반입 반출"
)
_VERB_TEXT = "확인합니다 기록합니다 보고합니다 통제합니다 점검합니다 연락합니다 대기합니다 교체합니다"
_NOUNS, _VERBS = _NOUN_TEXT.split(), _VERB_TEXT.split()
_ENDS = ("을", "를", "에서", "으로", "까지", "부터", "마다", "은", "는")
_PEER = """
import sys, orjson
with open(sys.argv[1], "rb") as rows, open(sys.argv[2], "wb") as out:
    for line in rows:
        out.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))
"""
_RECIPE = """\
name: rows
licence: CC0-1.0
sources:
  - path: rows.jsonl
steps:
  - normalise
  - filter
  - dedup
  - pii
  - split: {by: record}
  - balance
  - limit
"""


class Measured(NamedTuple):
    """Seconds of wall-clock time and MB (1e6) at the peak."""

    seconds: float
    peak_mb: float


def main() -> None:
    """Measure, and print what each step did too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "ws"
        _run([sys.executable, "-m", "millhand", "init", str(space)], space.parent)
        write_rows(space / "rows.jsonl", arguments.rows)
        recipe = space / "dataset_registry" / "rows" / "dataset.yaml"
        recipe.parent.mkdir()
        recipe.write_text(_RECIPE, encoding="utf-8")
        peer = _run([sys.executable, "-c", _PEER, str(space / "rows.jsonl"), str(space / "copy")], space)
        build = ["data", "build", "rows", "--workers", str(arguments.workers)]
        made = _run([sys.executable, "-m", "millhand", *build], space, show=True)
    print("| what | s | MB at the peak | peer = 1 |\n| --- | ---: | ---: | ---: |")
    print(f"| orjson loop over {arguments.rows:,} rows | {peer.seconds:.1f} | {peer.peak_mb:.0f} | 1 |")
    ratio = made.seconds / peer.seconds
    print(
        f"| millhand data build, {arguments.workers} workers | {made.seconds:.1f} "
        f"| {made.peak_mb:.0f} | {ratio:.0f} |"
    )


def write_rows(path: Path, count: int) -> None:
    """Write the rows, the same for the same count."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count))


def rows(count: int) -> Iterator[dict[str, str]]:
    """Questions and answers; some are copies of one of the last thousand, whole or with edits."""
    chance, recent = random.Random(7), list[tuple[str, str]]()
    for number in range(count):
        draw = chance.random()
        if recent and draw < 0.01:
            asked, answered = chance.choice(recent)
        elif recent and draw < 0.11:
            asked, answered = (_edited(text, chance) for text in chance.choice(recent))
        else:
            asked, answered = _sentence(chance, 8) + f" {number}번?", _text(chance)
        if draw > 0.98:
            answered += f" 연락처는 010-{chance.randrange(1000, 9999)}-{chance.randrange(1000, 9999)}입니다."
        recent = [*recent[-999:], (asked, answered)]
        yield {"instruction": asked, "input": "", "output": answered}


def _sentence(chance: random.Random, words: int) -> str:
    parts = [chance.choice(_NOUNS) + chance.choice(_ENDS) for _ in range(words)]
    return " ".join([*parts, chance.choice(_VERBS)])


def _text(chance: random.Random) -> str:
    return ". ".join(_sentence(chance, chance.randrange(6, 12)) for _ in range(7)) + "."


def _edited(text: str, chance: random.Random) -> str:
    words = text.split()
    for _ in range(max(1, len(words) // 20)):
        words[chance.randrange(len(words))] = chance.choice(_NOUNS)
    return " ".join(words)


def _run(argv: list[str], folder: Path, *, show: bool = False) -> Measured:
    start, peak, over = time.monotonic(), 0.0, threading.Event()
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(argv, cwd=folder, stdout=None if show else subprocess.DEVNULL)

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.05):
            peak = max(peak, sum(_pss_kb(pid) for pid in _family(process.pid)) / 1e3 * 1.024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.monotonic() - start
    over.set()
    watcher.join()
    if code:
        raise SystemExit(f"{argv} ended with {code}")
    return Measured(seconds, peak)


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
