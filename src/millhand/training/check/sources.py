"""Where the rows of an entry lie, and the rows of any kind of file: arrow and txt are LLaMA-Factory's own."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from millhand.datasets.info import HUBS
from millhand.documents.rows import BadRow, Row
from millhand.documents.tables import check_readable, open_rows
from millhand.errors import Finding, FindingsError
from millhand.llamafactory.entries import EntryRules
from millhand.text.normal import did_you_mean
from millhand.training.check.csvfile import CsvRows
from millhand.training.check.faults import ROW_FAULTS
from millhand.training.check.info import Info

_BLOCK = 1 << 20
# datasets/arrow_reader.py: a split by its name, a part of it, several of them.
_TRAIN = re.compile(r"^train(\[[^\]]*\])?(\+train(\[[^\]]*\])?)*$")


def check_source(info: Info, name: str) -> Iterator[Finding]:
    """What is to be said of where an entry's rows lie, before any is read."""
    entry = info.entries[name]
    key = next((key for key in HUBS if key in entry), None)
    if key is not None:
        yield _elsewhere(info, name, key)
    elif "file_name" in entry and not isinstance(entry["file_name"], str):
        yield info.finding(
            "data.broken-entry", "error", (name, "file_name"), f"file_name is {entry['file_name']!r}.",
            "LLaMA-Factory stops: “TypeError”. It takes the name of one file, or of a folder of them.",
            'Put several files into a folder and write "file_name": "FOLDER".',
        )  # fmt: skip
    elif not _TRAIN.match(str(entry.get("split", "train"))):
        yield info.finding(
            "data.split", "error", (name, "split"), f"A file has no split {entry['split']!r}.",
            "LLaMA-Factory stops: “Unknown split”. Files of rows have one split, train.",
            "Take `split` out; for a part of the rows write `train[:10%]`.",
        )  # fmt: skip


def _elsewhere(info: Info, name: str, key: str) -> Finding:
    where = str(info.entries[name][key])
    if key == "cloud_file_name" and not where.startswith(("s3://", "gs://", "gcs://")):
        return info.finding(
            "data.cloud-path", "error", (name, key), f"{where} is no address of a cloud that is known.",
            "LLaMA-Factory stops: “Unsupported protocol in path”.", "Write s3://BUCKET/… or gs://BUCKET/….",
        )  # fmt: skip
    if key == "script_url":
        return info.finding(
            "data.script", "warning", (name, key), f"The rows of {name!r} come from a script, {where}.",
            "datasets from 4.0 runs none: “Dataset scripts are no longer supported”. It was not looked into.",
            'Save its rows as .jsonl and write "file_name".',
        )  # fmt: skip
    return info.finding(
        "data.elsewhere", "note", (name, key), f"The rows of {name!r} lie elsewhere ({where}).",
        "They were not looked into; the machine that trains fetches them.",
        "Look at a few of them there: columns and roles must fit the entry.",
    )  # fmt: skip


def local_files(info: Info, name: str, rules: EntryRules) -> list[Path] | Finding:
    """The files of rows; none where they lie elsewhere, a finding where LLaMA-Factory refuses them."""
    entry = info.entries[name]
    given = entry.get("file_name")
    if any(key in entry for key in HUBS) or not isinstance(given, str):
        return []
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
        return _wrong_kind(info, at, given, files, rules)
    return files


def _wrong_kind(info: Info, at: tuple[str, ...], given: str, files: list[Path], rules: EntryRules) -> Finding:
    why = "“Allowed file types: …” or, in a folder, “File types should be identical.”"
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        message = f"The files of {given} are not all of one kind: {names}{' …' if len(files) > 5 else ''}."
        mend = "Take out what is no data, hidden files and folders too."
        return info.finding("data.file-kind", "error", at, message, why, mend)
    message = f"{given}: LLaMA-Factory takes one of {', '.join(rules.endings)}, in small letters."
    return info.finding("data.file-kind", "error", at, message, why, "Save it as .jsonl.")


def rows_of(path: Path) -> Iterable[Row | BadRow]:
    """The rows of any kind of file that LLaMA-Factory reads.

    Raises:
        FindingsError: None, or none behind a break, can be read, or it is not UTF-8.
        UsageError: It is of a kind that cannot be read here.
    """
    if path.suffix in (".csv", ".json", ".jsonl", ".txt"):
        _refuse_other_codecs(path)
    if path.suffix == ".txt":
        return _text_rows(path)
    if path.suffix == ".arrow":
        return _arrow_rows(path)
    if path.suffix == ".csv":
        check_readable(path)
        return CsvRows(path)
    return open_rows(path).items


def _refuse_other_codecs(path: Path) -> None:
    """Datasets decodes text as UTF-8, whatever it is in."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise FindingsError([_no_utf8(path, line)]) from error
            if not block:
                return
            line += block.count(b"\n")


def _no_utf8(path: Path, line: int) -> Finding:
    fault = ROW_FAULTS["data.not-utf8"]
    return Finding(
        id="data.not-utf8", severity="error", file=path.name, line=line,
        message="it is not UTF-8 from here on", why=fault.why, mend=fault.mend,
    )  # fmt: skip


def _text_rows(path: Path) -> Iterator[Row]:
    """A row a line, in the column ``text`` (datasets/packaged_modules/text)."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, 1):
            yield Row(number, {"text": line.rstrip("\r\n")})


def _arrow_rows(path: Path) -> Iterator[Row]:
    """Arrow's stream format, or its file format (datasets/packaged_modules/arrow)."""
    number = 0
    for batch in _batches(path):
        for values in batch:
            number += 1
            yield Row(number, values)


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            for batch in _opened(source):
                yield batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FindingsError([_broken(path, error)]) from error


def _opened(source: Any) -> Iterator[Any]:
    """The batches of a file in Arrow's stream format, or in its file format."""
    import pyarrow as pa

    try:
        yield from pa.ipc.open_stream(source)
    except (pa.ArrowInvalid, OSError):
        made = pa.ipc.open_file(source)
        yield from (made.get_batch(index) for index in range(made.num_record_batches))


def _broken(path: Path, error: Exception) -> Finding:
    return Finding(
        id="data.broken-file", severity="error", file=path.name, message=f"it is no Arrow file: {error}",
        why="LLaMA-Factory cannot read it.", mend="Save it again: `Dataset.save_to_disk`, or as .jsonl.",
    )  # fmt: skip
