"""A dataset before a run: its entry in dataset_info.json, its file, and every row of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from millhand.datasets.info import FILE, columns_of
from millhand.documents.rows import Row
from millhand.errors import Finding, FindingsError, UsageError
from millhand.llamafactory.entries import EntryRules
from millhand.text.normal import did_you_mean
from millhand.training.check.faults import ROW_FAULTS, Tally, listed
from millhand.training.check.info import Info
from millhand.training.check.judges import Use
from millhand.training.check.scan import scan
from millhand.training.check.sources import rows_of


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


def text_bytes(info: Info, name: str, paths: Sequence[Path], limit: int) -> int:
    """How many bytes of text there are to pre-train on; files larger than ``limit`` are not looked into."""
    size = sum(path.stat().st_size for path in paths)
    if size > limit:
        return size
    column = columns_of(info.entries[name])["prompt"] or ""
    rows = [item.values for path in paths for item in rows_of(path) if isinstance(item, Row)]
    return sum(len(str(row.get(column) or "").encode("utf-8")) + 1 for row in rows)


def check_rows(info: Info, name: str, paths: Sequence[Path], use: Use) -> tuple[list[Finding], Tally | None]:
    """Read and judge every row of a dataset's files."""
    whole, seen = Tally(), []
    found: list[Finding] = []
    for path in paths:
        shown = f"{info.file.removesuffix(FILE)}{path.relative_to(info.folder).as_posix()}"
        try:
            tally = scan(path, info.entries[name], use)
        except FindingsError as error:
            return list(error.findings), None
        except UsageError as error:
            return [info.finding("data.no-file", "error", (name,), error.message, "", error.mend)], None
        whole.merge(tally, 0)
        found += _of_file(path, shown)
        seen.append((path, shown, tally))
    found += [*_columns(info, name, whole), *_mixed(whole, seen[0][1])]
    # Without a column every row is at fault, and none is worth a word.
    if not any(finding.id == "data.missing-column" for finding in found):
        drawn = info.entries[name].get("num_samples")
        parts = [(path, shown, tally, _spared(tally, whole.rows, drawn, use)) for path, shown, tally in seen]
        found += [one for path, shown, tally, spared in parts for one in _of_rows(tally, shown, path, spared)]
        found += [*_whole(info, name, whole, use)]
    return found, whole


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
    alpaca = entry.get("formatting", "alpaca") == "alpaca"
    if alpaca and mapped["kto_tag"] and mapped["response"] is None:
        message = "`columns` maps a label and no answer that it is for."
        yield _missing(info, (name, "columns"), message, "None", 'Add "response": COLUMN.')
    if alpaca and "columns" in entry:
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
        if name != "data.broken-row" and (lucky or (use.first is not None and first[0] > use.first)):
            found.add(name)
    return frozenset(found)


def _of_rows(tally: Tally, shown: str, path: Path, spared: frozenset[str]) -> Iterator[Finding]:
    lines = path.suffix in (".jsonl", ".json") and tally.lines > 0
    for name, rows in tally.faults.items():
        fault, count = ROW_FAULTS[name], tally.counts[name]
        where = f" (rows {listed(rows)}{' …' if count > len(rows) else ''})" if count > 1 else ""
        yield Finding(
            id=name, severity="warning" if name in spared else fault.severity, file=shown,
            line=rows[0] if lines else None, row=rows[0],
            message=f"{count:,} of {tally.rows:,} rows: {fault.message}{where}",
            why=fault.why, mend=fault.mend,
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
