"""Makes Markdown, sentences and chunks out of raw filings, several at once.

Layout of ``out``::

    docs/{corp_code}/{year}/{reprt_code}/{rcept_no}.md       the document, front matter and Markdown
    facts/{corp_code}/{year}/{reprt_code}/{rcept_no}.jsonl   a sentence a line, with its parts
    chunks/{corp_code}/{year}/{reprt_code}/{rcept_no}.parquet   sections and passages of the whole filing
    .build/                                                  what is done; a second call goes on from it

What is made waits in ``.build`` until it is known whose each place is: of files that hold the same filing
the first owns it, whichever is made last. A second call compares the hashes of sources and of what stands.

Audit reports in a filing's ZIP are documents of their own (``{rcept_no}_00760``).
"""

from __future__ import annotations

import re
import shutil
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
from millhand.dart.staging import at_hand, earlier_owners, put
from millhand.errors import Finding, UsageError
from millhand.files import locked, sha256_file
from millhand.shards import Shard, map_shards
from millhand.text.normal import nfc

STATE = ".build"
_STAGED, _LOCK = f"{STATE}/made", f"{STATE}/.building"
_FETCH_AGAIN = "Fetch the filing again; if it fails again, report it with this message."
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

    with locked(out / _LOCK):
        shards, unchanged = _settled(partial(_mapped, files, out, budget, workers), note, out)
        result = _gathered(shards, out, unchanged)
        shutil.rmtree(out / _STAGED, ignore_errors=True)
    return result


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
    work = partial(build_file, out.absolute() / _STAGED, budget)
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


def _settled(
    call: Callable[[Callable[[Shard], None]], list[Shard]], note: Callable[[Shard], None], out: Path
) -> tuple[list[Shard], int]:
    """Have made what is due until all that is to stand is at hand; how many an earlier call had made.

    None is made again twice: what one lacks then is told when it is put in place.
    """
    shards = call(note)
    made = {shard.output for shard in shards if not shard.skipped}
    while stale := _stale(shards, out, made):
        for shard in stale:
            shard.output.unlink(missing_ok=True)
        shards = call(lambda _: None)
        made |= {shard.output for shard in (*stale, *(s for s in shards if not s.skipped))}
    return shards, len(shards) - len(made)


def _stale(shards: Sequence[Shard], out: Path, made: set[Path]) -> list[Shard]:
    """Those made by an earlier call of another source, or whose files do not stand as they were made."""
    outcomes = [_outcome(shard) for shard in shards]
    return [
        shard
        for shard, outcome, owner in zip(shards, outcomes, _owners(outcomes), strict=True)
        if shard.output not in made
        and (
            not _same_source(shard, outcome)
            or (owner is None and not at_hand(out / _STAGED, out, outcome.files))
        )
    ]


def _same_source(shard: Shard, outcome: Outcome) -> bool:
    """Size and time alone do not tell: a file can be replaced by another of the same."""
    try:
        return sha256_file(shard.input) == outcome.source_sha256
    except OSError:
        return False


def _owners(outcomes: Sequence[Outcome]) -> list[int | None]:
    """The number of the one that holds the same filing before it; None for those that own theirs."""
    return earlier_owners([(*(made.id for made in o.documents), *o.files) for o in outcomes])


def _gathered(shards: Sequence[Shard], out: Path, unchanged: int) -> Result:
    documents: list[Built] = []
    findings: list[Finding] = []
    left_out: Counter[str] = Counter()
    kept: set[str] = set()
    outcomes = [_outcome(shard) for shard in shards]
    for shard, outcome, owner in zip(shards, outcomes, _owners(outcomes), strict=True):
        findings += outcome.findings
        trouble = _placed(shard, outcome, out) if owner is None else _twice(shard, shards[owner].input.name)
        if trouble:
            findings.append(trouble)
        else:
            documents += outcome.documents
            left_out += Counter(outcome.left_out)
            kept.add(outcome.chunks_file)
    _sweep(out, kept)
    findings += _versions(documents)
    return Result(tuple(documents), tuple(findings), dict(left_out), len(shards), unchanged)


def _placed(shard: Shard, outcome: Outcome, out: Path) -> Finding | None:
    """Put a filing's files in their places; a finding where that fails."""
    try:
        put(out / _STAGED, out, outcome.files)
    except OSError as error:
        mend = "Remove what is in its place, or close what holds it open, and build again."
        return _failed(shard, f"{type(error).__name__}: {error}", mend)
    return None


def _outcome(shard: Shard) -> Outcome:
    if shard.error:
        return Outcome(findings=(_failed(shard, shard.error, _FETCH_AGAIN),))
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


def _failed(shard: Shard, error: str, mend: str) -> Finding:
    return Finding(
        id="dart.failed",
        severity="error",
        message=f"could not be built: {error}",
        file=nfc(shard.input.name),
        why="It is missing from the chunks.",
        mend=mend,
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
