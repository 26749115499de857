"""The columns that an entry maps, and the keys of messages, against those that the rows have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from millhand.datasets.info import columns_of, tags_of
from millhand.errors import Finding
from millhand.text.normal import did_you_mean
from millhand.training.check.faults import Tally
from millhand.training.check.info import Info

_SIGNS = {"\t": "tabs", ";": "semicolons", "|": "upright lines"}
_CHATML_TAGS = (
    '"tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", '
    '"assistant_tag": "assistant", "system_tag": "system"}'
)
_NO_INPUT = '"columns": {"prompt": "instruction", "response": "output"}'


def check_columns(info: Info, name: str, tally: Tally, path: Path) -> Iterator[Finding]:
    """Columns that the entry maps and no row has, and the input that it does not map."""
    entry, there = info.entries[name], tally.columns
    if not there:
        return
    alpaca = entry.get("formatting", "alpaca") == "alpaca"
    known = _parted(info, name, there, path) or (alpaca and _messages(info, name, tally))
    if known:
        yield known
        return
    mapped = columns_of(entry)
    yield from _absent(info, name, there)
    yield from _untagged(info, name, tally) if not alpaca else ()
    if alpaca and mapped["kto_tag"] and mapped["response"] is None:
        message = "`columns` maps a label and no answer that it is for."
        yield _missing(info, (name, "columns"), message, "None", 'Add "response": COLUMN.')
    if alpaca and "columns" in entry:
        yield from _unmapped(info, name, there, mapped)


def _parted(info: Info, name: str, there: tuple[str, ...], path: Path) -> Finding | None:
    """A CSV that is parted by another sign than the comma has one column for pandas."""
    sign = next((sign for sign in _SIGNS if sign in there[0]), None)
    if path.suffix != ".csv" or len(there) > 1 or sign is None:
        return None
    wanted = next((column for column in columns_of(info.entries[name]).values() if column), "None")
    message = f"The columns of {path.name} are parted by {_SIGNS[sign]}; LLaMA-Factory takes commas alone."
    mend = "Save it with commas, or `millhand data add FILE`, which reads it as it is."
    return _missing(info, (name,), message, wanted, mend)


def _messages(info: Info, name: str, tally: Tally) -> Finding | None:
    """Rows that hold messages under an entry that says nothing of them."""
    mapped, kinds, inner = columns_of(info.entries[name]), tally.kinds(), tally.inner_kinds()
    texts = [column for member in ("prompt", "response") if (column := mapped[member])]
    column = next((one for one in tally.columns if dict in inner.get(f"{one}[]", ())), None)
    if column is None or any(str in kinds.get(text, ()) for text in texts):
        return None
    own = f'"formatting": "sharegpt", "columns": {{"messages": "{column}"}}'
    tags = f", {_CHATML_TAGS}" if {"role", "content"} <= _keys(tally, column) else ""
    return info.finding(
        "data.missing-column", "error", (name,),
        f"The rows hold messages ({column!r}), and the entry is for alpaca's instruction and output.",
        "LLaMA-Factory finds no question or answer in any row, and stops.", f"Write {own}{tags}.",
    )  # fmt: skip


def _absent(info: Info, name: str, there: tuple[str, ...]) -> Iterator[Finding]:
    entry = info.entries[name]
    mapped = columns_of(entry)
    free = [column for column in there if column not in mapped.values()]
    for member in _read_members(entry):
        column = mapped[member]
        if column is None and member == "messages":
            yield _missing(
                info, (name, "columns"), "`columns` does not say which holds the messages.", "None", ""
            )
        elif column and column not in there:
            near = _near(entry, member, column, free) or f"There are {', '.join(there)}."
            message = f"No row has a column {column!r}."
            yield _missing(info, (name, "columns", member), message, column, near)


def _near(entry: Mapping[str, Any], member: str, column: str, free: list[str]) -> str:
    padded = next((other for other in free if other.strip() == column), None)
    if padded is not None:
        return f"There is {padded!r}: take the blanks out."
    near = did_you_mean(column, free)
    if member != "query" or near:
        return near
    return 'Take "query" out of `columns`.' if "columns" in entry else f"Without an input, write {_NO_INPUT}."


def _untagged(info: Info, name: str, tally: Tally) -> Iterator[Finding]:
    """Keys that no message has: LLaMA-Factory looks for ``from`` and ``value`` where there are no tags."""
    entry = info.entries[name]
    column, tags = columns_of(entry)["messages"], tags_of(entry)
    keys = _keys(tally, column or "")
    for member in ("role_tag", "content_tag") if keys else ():
        wanted = tags[member]
        if wanted not in keys:
            near = did_you_mean(wanted, keys) if "tags" in entry else ""
            fits = {"role", "content"} <= keys
            mend = f"Write {_CHATML_TAGS}." if fits else near or f"There are {', '.join(sorted(keys))}."
            message = f"No message has a {wanted!r}; who speaks and what is named in `tags`."
            yield _missing(info, (name, "tags", member), message, str(wanted), mend)
            return


def _keys(tally: Tally, column: str) -> set[str]:
    """The keys of the messages in a column."""
    start = f"{column}[]."
    return {path.removeprefix(start) for path, _ in tally.inner if path.startswith(start)}


def _unmapped(
    info: Info, name: str, there: Iterable[str], mapped: Mapping[str, str | None]
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
