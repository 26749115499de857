"""The steps dedup and pii on 100,000 rows, beside datasketch and Presidio's own engine on a part of them.

    python -m benchmarks.steps_clean [ROWS]

The rows have about 300 characters; of ten rows one is copied exactly, one with 5% of its characters edited,
one with 5% of its words replaced, and one in five holds personal data. The steps run as a build runs them, in
processes; memory is the proportional share (PSS) of the whole tree of processes, at its peak. The peers
(`pip install datasketch`) get the first 5,000 rows and their copies, in one process.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tests.unit.text.edits import Writer

from millhand.datasets.building.running import Workshop, run_step
from millhand.datasets.building.stages import Stage, cut
from millhand.datasets.pieces import Piece
from millhand.datasets.recipe import Chosen
from millhand.datasets.records import Record, Source
from millhand.datasets.steps.base import Context, Tally
from millhand.datasets.steps.known import load_step
from millhand.text.shingles import folded, shingles

ROWS, PEER_ROWS = 100_000, 5_000
COPIES = ("exact", "characters", "words")
PERSONAL = (
    "연락처는 010-{a:04}-{b:04}입니다.",
    "메일은 user{a}@example{b}.co.kr 입니다.",
    "주민등록번호 850315-1{a:04}{c:02} 확인.",
    "국민은행 {a:04}{c:02}-04-{b:04}{c:02} 로 입금.",
    "카드 4111-1111-1111-1111 결제, 여권번호 M1{a:04}{b:03}.",
)


class Measured(NamedTuple):
    """What a step took: seconds, peak memory in MB, and its tally."""

    seconds: float
    peak_mb: float
    tally: Tally


def rows(count: int) -> Iterator[tuple[str, str, str, str]]:
    """Id, question, answer, and the personal data in it; of ten, seven are new and three are copies."""
    writer, lot = Writer(1, 20_000), random.Random(2)
    old: list[tuple[str, str]] = []
    for number in range(count):
        turn = number % 10
        if turn < 7:
            asked, told, value = writer.text(60), writer.text(220), ""
            if turn % 4 == 1:
                line = PERSONAL[number // 10 % len(PERSONAL)]
                value = line.format(a=lot.randrange(10**4), b=lot.randrange(10**3), c=lot.randrange(100))
                told = f"{told} {value}"
            old = [*old[-200:], (asked, told)]
            yield f"new-{number}", asked, told, value
        else:
            how = COPIES[turn - 7]
            asked, told = old[-1 - (turn - 7)]
            yield f"{how}-{number}", _copied(writer, how, asked), _copied(writer, how, told), ""


def _copied(writer: Writer, how: str, text: str) -> str:
    if how == "characters":
        return writer.characters_edited(text)
    return writer.words_edited(text) if how == "words" else text


def pieces(count: int) -> Iterator[Piece]:
    """The rows as a build has them."""
    for name, asked, told, _ in rows(count):
        yield Piece(name, Source("a.jsonl", "0" * 64), record=Record(instruction=asked, output=told))


class Memory:
    """The peak of what this process and its children hold, looked at every 50 ms."""

    def __enter__(self) -> Memory:
        self.peak_mb, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_mb = max(self.peak_mb, sum(map(_pss_mb, _tree(os.getpid()))))


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("Pss:")), 0.0)


def measured(name: str, before: Stage, folder: Path, **options: Any) -> tuple[Measured, Stage]:
    """Run a step as a build does."""
    step = load_step(name)
    chosen = Chosen(step, msgspec.convert(options, step.options))
    shop = Workshop(folder / name, None, Context(lambda _: iter(()), folder), lambda *_: None)
    with Memory() as memory:
        began = time.perf_counter()
        stage, report, _ = run_step(shop, 1, chosen, before, "")
        took = time.perf_counter() - began
    return Measured(took, memory.peak_mb, report.tally), stage


def recall(stage: Stage, planted: int) -> dict[str, float]:
    """The share of the copies of each kind that is gone."""
    left = dict.fromkeys(COPIES, 0)
    for piece in stage:
        kind = piece.id.split("-")[0]
        left[kind] = left.get(kind, 0) + 1
    return {kind: 1 - left[kind] / planted for kind in COPIES}


def by_datasketch(count: int) -> tuple[float, dict[str, float]]:
    """Rate and recall of datasketch: 256 slots, the same shingles, what its index gives for 0.59."""
    from datasketch import MinHash, MinHashLSH

    texts = [(name, "\n".join((folded(asked), folded(told)))) for name, asked, told, _ in rows(count)]
    index, found = MinHashLSH(threshold=0.59, num_perm=256), dict.fromkeys(COPIES, 0)
    began = time.perf_counter()
    for name, text in texts:
        signature = MinHash(num_perm=256)
        signature.update_batch([shingle.encode() for shingle in shingles(text)])
        if index.query(signature) and name.split("-")[0] in found:
            found[name.split("-")[0]] += 1
        index.insert(name, signature)
    rate = count / (time.perf_counter() - began)
    return rate, {kind: hits / (count // 10) for kind, hits in found.items()}


def by_presidio(count: int) -> tuple[float, float]:
    """Characters a second of Presidio's engine on a blank pipeline, and the share of planted rows marked."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        IpRecognizer,
        KrBrnRecognizer,
        KrDriverLicenseRecognizer,
        KrFrnRecognizer,
        KrPassportRecognizer,
        KrRrnRecognizer,
        PhoneRecognizer,
    )
    from spacy import blank

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"ko": blank("xx")}

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            return self._doc_to_nlp_artifact(self.nlp[language](text), language)

    every = (
        CreditCardRecognizer, IpRecognizer, KrBrnRecognizer, KrDriverLicenseRecognizer, KrFrnRecognizer,
        KrPassportRecognizer, KrRrnRecognizer,
    )  # fmt: skip
    registry = RecognizerRegistry(
        [
            *(recognizer(supported_language="ko") for recognizer in every),
            PhoneRecognizer(supported_language="ko", supported_regions=("KR",)),
        ],
        supported_languages=["ko"],
    )
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["ko"])
    texts = [(f"{asked}\n{told}", value) for _, asked, told, value in rows(count)]
    began, marked, planted = time.perf_counter(), 0, 0
    for text, value in texts:
        found = engine.analyze(text, language="ko", score_threshold=0.3)
        planted += bool(value)
        marked += bool(value and any(hit.end > len(text) - len(value) for hit in found))
    characters = sum(len(text) for text, _ in texts)
    return characters / (time.perf_counter() - began), marked / planted


def show(name: str, rate: str, took: str, peak: str, notes: str) -> None:
    """A row of the table."""
    print(f"| {name} | {rate} | {took} | {peak} | {notes} |", flush=True)


def shares(found: dict[str, float]) -> str:
    """Recalls by kind of copy."""
    return "recall " + ", ".join(f"{kind} {share:.4f}" for kind, share in found.items())


def measure_steps(count: int, folder: Path) -> None:
    """Both steps on all rows, dedup first as in a recipe."""
    stage = Stage(folder / "read", *cut(pieces(count), folder / "read"))
    characters = sum(len(piece.text) for piece in stage)
    one, kept = measured("dedup", stage, folder)
    _line("dedup", one, count, shares(recall(kept, count // 10)))
    for presidio in (True, False):
        two, _ = measured("pii", stage, folder / str(presidio), presidio=presidio)
        planted = sum(bool(value) for *_, value in rows(count))
        notes = f"{characters / two.seconds / 1e6:.2f} M characters/s, {sum(two.tally.counts.values())} found"
        _line(f"pii, presidio: {str(presidio).lower()}", two, count, f"{notes}, {planted} lines planted once")


def _line(name: str, found: Measured, count: int, notes: str) -> None:
    show(
        name,
        f"{count / found.seconds:,.0f} rows/s",
        f"{found.seconds:.1f} s",
        f"{found.peak_mb:.0f} MB",
        notes,
    )


def measure_peers(count: int) -> None:
    """What others take for the same."""
    try:
        rate, found = by_datasketch(count)
        show("datasketch, 1 process", f"{rate:,.0f} rows/s", "", "", shares(found))
    except ImportError:
        show("datasketch", "", "", "", "not installed: pip install datasketch")
    speed, marked = by_presidio(count // 5)
    show("Presidio's engine, 1 process", "", "", "", f"{speed / 1e6:.3f} M characters/s, marks {marked:.3f}")


def recall_of_pii(count: int) -> float:
    """The share of planted lines in which the own patterns find something."""
    from millhand.text.pii import find_pii

    lines = [value for *_, value in rows(count) if value]
    return sum(bool(find_pii(f"가나 {line}")) for line in lines) / len(lines)


def main(arguments: list[str]) -> None:
    """Measure and print a Markdown table."""
    count = int(arguments[0]) if arguments else ROWS
    print(f"{count} rows; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| what | rate | time | memory | |\n| --- | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        measure_steps(count, Path(temporary))
    show("pii, own patterns", "", "", "", f"marks {recall_of_pii(min(count, 20_000)):.3f}")
    measure_peers(min(count, PEER_ROWS))


if __name__ == "__main__":
    main(sys.argv[1:])
