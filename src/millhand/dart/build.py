"""Makes Markdown, sentences and chunks out of raw filings, several at once.

Layout of ``out``::

    docs/{corp_code}/{year}/{reprt_code}/{rcept_no}.md       the document, front matter and Markdown
    facts/{corp_code}/{year}/{reprt_code}/{rcept_no}.jsonl   a sentence a line, with its parts
    chunks/{corp_code}/{year}/{reprt_code}/{rcept_no}.parquet   sections and passages of the whole filing
    .build/                                                  what is done; a second call goes on from it

Audit reports in a filing's ZIP are documents of their own (``{rcept_no}_00760``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from millhand import __version__
from millhand.dart.chunks import SCHEMA
from millhand.dart.filing import UNKNOWN, home_of
from millhand.dart.make import CHUNKS, VERSION, Built, Outcome, build_file
from millhand.dart.passages import BUDGET, LEAST_BUDGET
from millhand.errors import Finding, UsageError
from millhand.shards import Shard, map_shards
from millhand.text.normal import nfc

STATE = ".build"
_RECEIPT = re.compile(r"\d{14}\.zip", re.IGNORECASE)


class Result(msgspec.Struct, frozen=True):
    """What became of all; ``unchanged`` files were made by an earlier call."""

    documents: tuple[Built, ...]
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    files: int
    unchanged: int


def build(
    paths: Sequence[Path],
    out: Path,
    *,
    budget: int = BUDGET,
    workers: int | None = None,
    on_done: Callable[[int, int, Path], None] = lambda _done, _of, _file: None,
) -> Result:
    """Build all filings of ``paths`` (ZIPs, or folders with ZIPs) below ``out``.

    ``budget`` is the most characters of a passage. A broken file is a finding, the rest goes on; what is
    unchanged since an earlier call is not made again. ``on_done`` is told how many are done, of all.

    Raises:
        UsageError: A path or all filings are missing, ``out`` is a file, or the budget is too small.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"There is no file {path}.", mend="Name ZIPs, or a folder with ZIPs.")
    files = filings_in(paths)
    _check(files, out, budget)
    done = 0

    def note(shard: Shard) -> None:
        nonlocal done
        done += 1
        on_done(done, len(files), shard.input)

    call = partial(_mapped, files, out, budget, workers)
    shards = call(note)
    if _forget_gone(shards, out):
        shards = call(lambda _: None)
    return _gathered(shards, out)


def filings_in(paths: Iterable[Path]) -> list[Path]:
    """Each file once; a folder stands for the ZIPs below it that are named by a receipt number.

    Of files with the same receipt number the first is taken.
    """
    found: dict[str, Path] = {}
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if _RECEIPT.fullmatch(p.name)) if path.is_dir() else [path]
        for file in inside:
            name = file.name.lower() if _RECEIPT.fullmatch(file.name) else str(file.resolve())
            found.setdefault(name, file)
    return list(found.values())


def _mapped(
    files: list[Path], out: Path, budget: int, workers: int | None, note: Callable[[Shard], None]
) -> list[Shard]:
    work = partial(build_file, out.absolute(), budget)
    version = f"{__version__} {SCHEMA} {VERSION} {budget}"
    return map_shards(
        work, files, out / STATE, version=version, suffix=".json", workers=workers, on_done=note
    )


def _check(files: Sequence[Path], out: Path, budget: int) -> None:
    if not files:
        mend = "Name ZIPs of document.xml or the folder that `millhand dart fetch` wrote."
        raise UsageError("There is no filing (a ZIP named by its receipt number).", mend=mend)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file.", mend="Name a folder: --out DIR.")
    if budget < LEAST_BUDGET:
        mend = f"Take {LEAST_BUDGET} or more."
        raise UsageError(f"Passages of {budget} characters are too short.", mend=mend)


def _forget_gone(shards: Sequence[Shard], out: Path) -> bool:
    """Have what was made earlier made again where a file of it is gone since."""
    gone = False
    for shard in shards:
        if shard.skipped:
            outcome = _outcome(shard)
            files = [name for made in outcome.documents for name in (made.file, made.facts_file)]
            if not all((out / name).is_file() for name in (*files, outcome.chunks_file) if name):
                shard.output.unlink()
                gone = True
    return gone


def _gathered(shards: Sequence[Shard], out: Path) -> Result:
    documents: list[Built] = []
    findings: list[Finding] = []
    left_out: Counter[str] = Counter()
    kept: set[str] = set()
    owners: dict[str, str] = {}
    for shard in shards:
        outcome = _outcome(shard)
        findings += outcome.findings
        twice = [made for made in outcome.documents if made.id in owners]
        if twice:
            findings.append(_twice(shard, owners[twice[0].id]))
        elif not shard.error:
            owners |= {made.id: shard.input.name for made in outcome.documents}
            documents += outcome.documents
            left_out += Counter(outcome.left_out)
            kept.add(outcome.chunks_file)
    _sweep(out, kept)
    findings += _versions(documents)
    skipped = sum(shard.skipped for shard in shards)
    return Result(tuple(documents), tuple(findings), dict(left_out), len(shards), skipped)


def _outcome(shard: Shard) -> Outcome:
    if shard.error:
        return Outcome(findings=(_failed(shard),))
    return msgspec.convert(shard.value, Outcome)


def _sweep(out: Path, kept: set[str]) -> None:
    """Take away the chunks of filings that are no longer among the inputs, or failed this time."""
    for path in (out / CHUNKS).rglob("*.parquet"):
        if path.relative_to(out).as_posix() not in kept:
            path.unlink()


def _versions(documents: Sequence[Built]) -> list[Finding]:
    """Filings that tell of the same period of a corporation: one corrects the other."""
    same: dict[str, list[str]] = {}
    for made in documents:
        if made.kind == "dart" and made.identity.rcept_no:
            same.setdefault(str(home_of(made.identity)), []).append(made.identity.rcept_no)
    return [
        Finding(
            id="dart.two-versions",
            severity="warning",
            message=f"{' and '.join(sorted(receipts))} are the same report of {home}",
            why="An index of both finds the same text twice.",
            mend=f"Keep {max(receipts)}, the latest, and build again.",
        )
        for home, receipts in same.items()
        if len(receipts) > 1 and UNKNOWN not in home
    ]


def _failed(shard: Shard) -> Finding:
    return Finding(
        id="dart.failed",
        severity="error",
        message=f"could not be built: {shard.error}",
        file=nfc(shard.input.name),
        why="It is missing from the chunks.",
        mend="Fetch the filing again; if it fails again, report it with this message.",
    )


def _twice(shard: Shard, other: str) -> Finding:
    return Finding(
        id="dart.same-filing",
        severity="warning",
        message=f"holds a document that {other} holds too; it was left out",
        file=nfc(shard.input.name),
        why="Two chunks would have the same id.",
        mend="Remove one of the two files.",
    )
