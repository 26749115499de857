"""A dataset before a run: its entry in dataset_info.json, its file, and every row of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from millhand.datasets.info import FILE, columns_of
from millhand.documents.rows import Row
from millhand.errors import Finding, FindingsError, UsageError
from millhand.llamafactory.entries import EntryRules
from millhand.text.normal import did_you_mean
from millhand.training.check.columns import check_columns
from millhand.training.check.dates import dated_columns, is_dated_name
from millhand.training.check.faults import ROW_FAULTS, Tally, listed
from millhand.training.check.info import Info
from millhand.training.check.judges import Use
from millhand.training.check.scan import scan
from millhand.training.check.sources import rows_of
from millhand.training.check.tables import broken_line

# Rows that LLaMA-Factory cannot read at all.
_UNREADABLE = ("data.broken-row", "data.not-utf8", "data.ragged-row", "data.open-quote", "data.key-twice")
# The members of `columns` that a fault is in.
_OF_ANY = {
    "data.no-kto-tag": "kto_tag", "data.label-in-sft": "kto_tag", "data.broken-tools": "tools",
    "data.history-lost": "history", "data.history-pairs": "history",
}  # fmt: skip
_OF_ALPACA = {
    "data.no-answer": "response", "data.empty-answer": "response", "data.empty-question": "prompt",
}  # fmt: skip
_OF_MESSAGES = (
    "data.no-messages", "data.role-order", "data.turn-count", "data.unknown-role", "data.broken-call",
    "data.empty-answer", "data.no-answer",
)  # fmt: skip
_WORDS = (
    "pandas takes N/A, None, null, nan and an empty cell for nothing, and a column of numbers or of True and "
    "False for no text: save it as .jsonl (`millhand data add FILE`)."
)
_IN_CSV = {"data.no-answer": _WORDS, "data.not-text": _WORDS}


def check_entry(info: Info, name: str, rules: EntryRules) -> Iterator[Finding]:
    """Find what is wrong with an entry, its file apart."""
    entry = info.entries[name]
    yield from _members(info, name, rules)
    if isinstance(entry.get("ranking"), str):
        yield info.finding(
            "data.broken-entry", "warning", (name, "ranking"), f"ranking is the text {entry['ranking']!r}.",
            "LLaMA-Factory counts every text as true, false and no too.", "Write true or false, no quotes.",
        )  # fmt: skip
    for path in info.twice:
        if path[0] == name:
            yield info.finding(
                "data.key-twice", "warning", path, f"{path[-1]!r} stands twice here.",
                "LLaMA-Factory takes the last of them without a word.", "Take one of the two out.",
            )  # fmt: skip
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
        for key, value in members.items():
            if len(path) > 1 and not (isinstance(value, str) or (value is None)):
                yield from _no_name(info, (*path, key), value)
            if key not in known:
                near = did_you_mean(key, known) or f"Known are {', '.join(known)}."
                yield info.finding(
                    "data.unknown-member", "warning", (*path, key), f"{key!r} means nothing here.",
                    "LLaMA-Factory ignores it and takes the default.", near,
                )  # fmt: skip


def _no_name(info: Info, path: tuple[str, ...], value: object) -> Iterator[Finding]:
    """A member of ``columns`` or ``tags`` that is no text; what counts as false maps no column."""
    if path[1] == "tags" or value:
        yield info.finding(
            "data.broken-entry", "error", path,
            f"{path[-1]} is {value!r}, and not the name of a column or a role.",
            "LLaMA-Factory fails with a bare error of Python.",
            f'Write "{path[-1]}": "NAME", or take it out.',
        )  # fmt: skip


def text_bytes(info: Info, name: str, paths: Sequence[Path], limit: int) -> int:
    """How many bytes of text there are to pre-train on; files larger than ``limit`` are not looked into."""
    size = sum(path.stat().st_size for path in paths)
    given = info.entries[name].get("columns", {})
    column = columns_of(info.entries[name])["prompt"] or "" if isinstance(given, dict) else None
    if size > limit or not isinstance(column, str):
        return max(size, limit)
    try:
        rows = [item.values for path in paths for item in rows_of(path) if isinstance(item, Row)]
    except (FindingsError, UsageError):  # said where the rows themselves are looked at
        return max(size, limit)
    return sum(len(str(row.get(column) or "").encode("utf-8")) + 1 for row in rows)


def check_rows(info: Info, name: str, paths: Sequence[Path], use: Use) -> tuple[list[Finding], Tally | None]:
    """Read and judge every row of a dataset's files."""
    whole, seen = Tally(), []
    found: list[Finding] = []
    for path in paths:
        shown = _shown(info, path)
        try:
            tally = scan(path, info.entries[name], use)
        except FindingsError as error:
            return [_placed(one, path, shown) for one in error.findings], None
        except UsageError as error:
            return [info.finding("data.no-file", "error", (name,), error.message, "", error.mend)], None
        whole.merge(tally, 0)
        found += _of_file(path, shown)
        seen.append((path, shown, tally))
    found += [*check_columns(info, name, whole, paths[0]), *_mixed(whole, seen[0][1])]
    # Without a column every row is at fault, and none is worth a word but those that cannot be read.
    blind = any(finding.id == "data.missing-column" for finding in found)
    drawn = info.entries[name].get("num_samples")
    for path, shown, tally in seen:
        spared = _spared(tally, whole.rows, drawn, use)
        of_rows = _of_rows(info.entries[name], tally, shown, path, spared)
        rows = [one for one in of_rows if not blind or one.id in _UNREADABLE]
        found += [*rows, *(() if blind else _dates(info.entries[name], tally, shown))]
    return [*found, *(() if blind else _whole(info, name, whole, use))], whole


def _shown(info: Info, path: Path) -> str:
    """A file's name from the workspace on; its whole path where ``file_name`` names one elsewhere."""
    if not path.is_relative_to(info.folder):
        return path.as_posix()
    return f"{info.file.removesuffix(FILE)}{path.relative_to(info.folder).as_posix()}"


def _placed(finding: Finding, path: Path, shown: str) -> Finding:
    """A finding of a file that cannot be read, under its whole name, with the line of the break."""
    line = broken_line(path) if path.suffix in (".json", ".jsonl") else None
    return replace(finding, file=shown, line=finding.line or line)


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


def _mixed(tally: Tally, shown: str) -> Iterator[Finding]:
    for column, kinds in (tally.kinds() | tally.inner_kinds()).items():
        numbers = kinds <= {int, float}
        if len(kinds) > 1 and not numbers:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            yield Finding(
                id="data.mixed-types", severity="error", file=shown, column=column,
                message=f"values of several types stand in one column: {names}",
                why="Arrow, which datasets reads with, refuses it: DatasetGenerationError.",
                mend="Write all of them as text, or take the column out.",
            )  # fmt: skip


def _spared(tally: Tally, rows: int, drawn: object, use: Use) -> frozenset[str]:
    """The faults that may not come to anything: not all rows are drawn, or those at fault come too late."""
    found = set()
    for name, first in tally.faults.items():
        lucky = isinstance(drawn, int) and tally.counts[name] <= rows - drawn
        if name not in _UNREADABLE and (lucky or (use.first is not None and first[0] > use.first)):
            found.add(name)
    return frozenset(found)


def _column(entry: Mapping[str, Any], fault: str) -> str | None:
    """The column that a fault of a row is in, where it is in one alone."""
    alpaca, columns = entry.get("formatting", "alpaca") == "alpaca", columns_of(entry)
    members = _OF_ANY | (_OF_ALPACA if alpaca and not entry.get("ranking") else {})
    if not alpaca and not entry.get("ranking"):
        members |= dict.fromkeys(_OF_MESSAGES, "messages")
    return columns.get(members.get(fault, "")) or None


def _of_rows(
    entry: Mapping[str, Any], tally: Tally, shown: str, path: Path, spared: frozenset[str]
) -> Iterator[Finding]:
    for name, rows in tally.faults.items():
        fault, count = ROW_FAULTS[name], tally.counts[name]
        where = f" (rows {listed(rows)}{' …' if count > len(rows) else ''})" if count > 1 else ""
        yield Finding(
            id=name, severity="warning" if name in spared else fault.severity, file=shown,
            line=tally.line(rows[0]), row=rows[0], column=_column(entry, name),
            message=f"{count:,} of {tally.rows:,} rows: {fault.message}{where}",
            why=fault.why, mend=_IN_CSV.get(name, fault.mend) if path.suffix == ".csv" else fault.mend,
        )  # fmt: skip


def _dates(entry: Mapping[str, Any], tally: Tally, shown: str) -> Iterator[Finding]:
    fault = ROW_FAULTS["data.dates"]
    for path in dated_columns(entry, tally.dated):
        named = shown.endswith(".json") and is_dated_name(path)
        other = "Name the column otherwise (pandas looks for dates by the name), or save it as .jsonl."
        yield Finding(
            id="data.dates", severity="error", file=shown, column=path,
            message="each text that is read from here is a date or time", why=fault.why,
            mend=other if named else fault.mend,
        )  # fmt: skip


def _whole(info: Info, name: str, tally: Tally, use: Use) -> Iterator[Finding]:
    number = info.entries[name].get("num_samples")
    if number is not None and (not isinstance(number, int) or number < 1):
        yield info.finding(
            "data.num-samples", "error", (name, "num_samples"), f"num_samples is {number!r}.",
            "It is how many rows are drawn; LLaMA-Factory fails at another value.", "Write 1000, say.",
        )  # fmt: skip
    elif number is not None and number > tally.rows:
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
