"""A dataset before a run: its entry in dataset_info.json, its file, and every row of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.datasets.info import FILE, HUBS, columns_of
from millhand.documents.rows import Row
from millhand.documents.tables import open_rows
from millhand.errors import Finding, FindingsError, Severity, UsageError
from millhand.llamafactory.entries import EntryRules
from millhand.text.normal import did_you_mean
from millhand.training.check.faults import ROW_FAULTS, Tally, listed
from millhand.training.check.judges import Use
from millhand.training.check.places import Place, places
from millhand.training.check.scan import scan

_NESTED = (list, dict)


@dataclass(frozen=True)
class Info:
    """dataset_info.json as LLaMA-Factory reads it, with the place of each key."""

    folder: Path
    file: str
    entries: Mapping[str, Any]
    where: Mapping[tuple[str, ...], Place]

    def finding(
        self, name: str, severity: Severity, path: tuple[str, ...], message: str, why: str, mend: str
    ) -> Finding:
        """A finding at a key, or at the nearest one around it."""
        found = next((self.where[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.where), None)
        line, column = found or (None, None)
        return Finding(
            id=name, severity=severity, message=message, file=self.file, line=line,
            column=str(column) if column else None, why=why, mend=mend,
        )  # fmt: skip


def read_info(folder: Path, shown: str) -> Info:
    """Read a folder's dataset_info.json; ``shown`` is the folder's name for findings.

    Raises:
        FindingsError: LLaMA-Factory could not read it.
    """
    file = f"{shown}/{FILE}"
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
        entries = json.loads(text)
    except FileNotFoundError:
        return Info(folder, file, {}, {})
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FindingsError([_unreadable(file, error)]) from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise FindingsError([_unreadable(file, ValueError("it is no object of objects"))])
    return Info(folder, file, entries, places(text))


def _unreadable(file: str, error: ValueError) -> Finding:
    line = error.lineno if isinstance(error, json.JSONDecodeError) else None
    return Finding(
        id="data.broken-registry",
        severity="error",
        message=f"it cannot be read: {error}",
        file=file,
        line=line,
        why="LLaMA-Factory knows no dataset then: “Cannot open … due to …”.",
        mend="Mend it there; a comma behind the last member is not allowed, nor a byte-order mark.",
    )


def check_entry(info: Info, name: str, rules: EntryRules) -> Iterator[Finding]:
    """Find what is wrong with an entry, its file apart."""
    entry = info.entries[name]
    yield from _members(info, name, rules)
    if entry.get("formatting", "alpaca") not in rules.formats:
        shown = ", ".join(rules.formats)
        yield info.finding(
            "data.formatting", "error", (name, "formatting"),
            f"formatting: {entry['formatting']!r} is none of {shown}.",
            "LLaMA-Factory stops: “Dataset converter … not found”.",
            "Write alpaca, or sharegpt for messages.",
        )  # fmt: skip
    if entry.get("formatting") == "openai":
        yield info.finding(
            "data.openai-system", "warning", (name, "formatting"),
            "The openai form adds to your system text.",
            "LLaMA-Factory writes “detailed thinking off” into the system text of rows without tools.",
            'Write "formatting": "sharegpt" with tags role, content, user, assistant.',
        )  # fmt: skip
    if not any(key in entry for key in rules.sources):
        yield info.finding(
            "data.no-source", "error", (name,), f"The entry {name!r} names no file.",
            "LLaMA-Factory stops: “KeyError: 'file_name'”.", 'Add "file_name": "FILE.jsonl".',
        )  # fmt: skip


def _members(info: Info, name: str, rules: EntryRules) -> Iterator[Finding]:
    entry = info.entries[name]
    groups: list[tuple[tuple[str, ...], Any, tuple[str, ...]]] = [
        ((name,), entry, (*rules.keys, *rules.sources))
    ]
    inner = (("columns", rules.columns), ("tags", rules.tags))
    groups += [((name, part), entry[part], known) for part, known in inner if part in entry]
    for path, members, known in groups:
        if not isinstance(members, dict):
            yield info.finding(
                "data.broken-entry", "error", path, f"{path[-1]} is no object.",
                "LLaMA-Factory fails with a bare error of Python.", f'Write "{path[-1]}": {{…}}.',
            )  # fmt: skip
            continue
        for key in members:
            if key not in known:
                near = did_you_mean(key, known) or f"Known are {', '.join(known)}."
                yield info.finding(
                    "data.unknown-member", "warning", (*path, key), f"{key!r} means nothing here.",
                    "LLaMA-Factory ignores it and takes the default.", near,
                )  # fmt: skip


def local_file(info: Info, name: str, rules: EntryRules) -> Path | Finding | None:
    """The file of rows; a finding where LLaMA-Factory would not take it, None where it lies elsewhere."""
    entry = info.entries[name]
    given = entry.get("file_name")
    if any(key in entry for key in HUBS) or not isinstance(given, str):
        return None
    path, at = info.folder / given, (name, "file_name")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    if not path.exists() or not files:
        there = did_you_mean(path.name, [other.name for other in path.parent.glob("*")])
        message = f"There is no file {info.folder.name}/{given}."
        return info.finding(
            "data.no-file", "error", at, message, "“File … not found.”", there or "Put it there."
        )
    kinds = {rules.endings.get(file.suffix[1:]) for file in files}
    if kinds == {None} or len(kinds) > 1:
        message = f"{given}: LLaMA-Factory takes one of {', '.join(rules.endings)}, in small letters."
        why = "“Allowed file types: …” or, in a folder, “File types should be identical.”"
        return info.finding("data.file-kind", "error", at, message, why, "Save it as .jsonl.")
    return path if path.is_file() and path.suffix[1:] not in ("arrow", "txt") else None


def text_bytes(info: Info, name: str, path: Path, limit: int) -> int:
    """How many bytes of text there are to pre-train on; a file larger than ``limit`` is not looked into."""
    size = path.stat().st_size
    if path.suffix not in (".json", ".jsonl") or size > limit:
        return size
    column = columns_of(info.entries[name])["prompt"] or ""
    rows = [item.values for item in open_rows(path).items if isinstance(item, Row)]
    return sum(len(str(row.get(column) or "").encode("utf-8")) + 1 for row in rows)


def check_rows(info: Info, name: str, path: Path, use: Use) -> tuple[list[Finding], Tally | None]:
    """Read and judge every row of a dataset's file."""
    shown = f"{info.file.removesuffix(FILE)}{path.relative_to(info.folder).as_posix()}"
    try:
        tally = scan(path, info.entries[name], use)
    except FindingsError as error:
        return list(error.findings), None
    except UsageError as error:
        return [info.finding("data.no-file", "error", (name,), error.message, "", error.mend)], None
    found = [*_of_file(path, shown), *_columns(info, name, tally), *_mixed(tally, shown)]
    # Without a column every row is at fault, and none is worth a word.
    if not any(finding.id == "data.missing-column" for finding in found):
        found += [*_of_rows(tally, shown, path), *_whole(info, name, tally, use)]
    return found, tally


def _of_file(path: Path, shown: str) -> Iterator[Finding]:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"\xef\xbb\xbf") and head[3:].lstrip().startswith(b"["):
        yield Finding(
            id="data.byte-order-mark", severity="error", file=shown, line=1, column="1",
            message="The file starts with a byte-order mark.",
            why="datasets reads none before a JSON array: DatasetGenerationError.",
            mend="Save it as UTF-8 without BOM.",
        )  # fmt: skip


def _columns(info: Info, name: str, tally: Tally) -> Iterator[Finding]:
    """Columns that the entry maps and no row has, and the input that it does not map."""
    entry, there = info.entries[name], tally.columns
    mapped = columns_of(entry)
    for member in _read_members(entry):
        column = mapped[member]
        if column is None and member == "messages":
            yield _missing(
                info, (name, "columns"), "`columns` does not say which holds the messages.", "None", ""
            )
        elif column is not None and column not in there and tally.rows:
            near = did_you_mean(column, there) or f"There are {', '.join(there)}."
            yield _missing(info, (name, "columns", member), f"No row has a column {column!r}.", column, near)
    if entry.get("formatting", "alpaca") == "alpaca" and "columns" in entry:
        yield from _unmapped(info, name, there, mapped)


def _unmapped(
    info: Info, name: str, there: tuple[str, ...], mapped: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Columns with the names of alpaca's own that nothing is read from."""
    ranking = bool(info.entries[name].get("ranking"))
    own = {"query": "input", "prompt": "instruction", **({} if ranking else {"response": "output"})}
    for member, column in own.items():
        if column in there and column not in mapped.values():
            yield info.finding(
                "data.input-lost", "warning", (name, "columns"), f"The column {column!r} is not mapped.",
                "With `columns`, each member that is not listed is null: the text is lost.",
                f'Add "{member}": "{column}" to `columns`.',
            )  # fmt: skip


def _missing(info: Info, path: tuple[str, ...], message: str, key: str, near: str) -> Finding:
    why = f"LLaMA-Factory stops: “KeyError: {key!r}”."
    return info.finding("data.missing-column", "error", path, message, why, near or 'Add "messages": COLUMN.')


def _read_members(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of ``columns`` that the converter reads of every row (data/converter.py)."""
    media = ("system", "tools", "images", "videos", "audios")
    pair = ("chosen", "rejected") if entry.get("ranking") else ()
    if entry.get("formatting", "alpaca") != "alpaca":
        return ("messages", "kto_tag", *pair, *media)
    answer = pair or ("response",)
    return ("prompt", "query", *answer, "history", "kto_tag", *media)


def _mixed(tally: Tally, shown: str) -> Iterator[Finding]:
    for column, kinds in tally.kinds().items():
        numbers = kinds <= {int, float}
        if len(kinds) > 1 and not numbers:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            yield Finding(
                id="data.mixed-types", severity="error", file=shown, column=column,
                message=f"values of several types stand in one column: {names}",
                why="Arrow, which datasets reads with, refuses it: DatasetGenerationError.",
                mend="Write all of them as text, or take the column out.",
            )  # fmt: skip


def _of_rows(tally: Tally, shown: str, path: Path) -> Iterator[Finding]:
    lines = path.suffix in (".jsonl", ".json") and tally.lines > 0
    for name, rows in tally.faults.items():
        fault, count = ROW_FAULTS[name], tally.counts[name]
        where = f" (rows {listed(rows)}{' …' if count > len(rows) else ''})" if count > 1 else ""
        yield Finding(
            id=name, severity=fault.severity, file=shown, line=rows[0] if lines else None, row=rows[0],
            message=f"{count:,} of {tally.rows:,} rows: {fault.message}{where}",
            why=fault.why, mend=fault.mend,
        )  # fmt: skip


def _whole(info: Info, name: str, tally: Tally, use: Use) -> Iterator[Finding]:
    number = info.entries[name].get("num_samples")
    if isinstance(number, int) and number > tally.rows:
        yield info.finding(
            "data.repeated", "warning", (name, "num_samples"),
            f"num_samples is {number:,}, and there are {tally.rows:,} rows.", "Rows are drawn twice.",
            f"Write {tally.rows} or less, or take it out.",
        )  # fmt: skip
    if (tally.rows and not tally.kept) or not tally.rows:
        yield info.finding(
            "data.no-valid-rows", "error", (name,), f"No row of {name!r} would be trained on.",
            "LLaMA-Factory stops: “Cannot find valid samples”.", "Mend what is said of the rows.",
        )  # fmt: skip
    elif tally.thoughtless and use.thought:
        yield info.finding(
            "data.no-thought", "warning", (name,),
            f"The template reasons, and {tally.thoughtless:,} of {tally.rows:,} answers hold no thought.",
            f"LLaMA-Factory puts an empty {use.thought[0]} before them and trains it.",
            "Take the template's `_nothink` twin, or add `enable_thinking: false` to train.yaml.",
        )  # fmt: skip
