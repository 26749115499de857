"""In which shape a file's rows are, and the converter for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from millhand.datasets.alpaca import AlpacaConverter
from millhand.datasets.conversations import ConversationConverter, messages_column
from millhand.datasets.definition import Format, Shape
from millhand.datasets.mapping import missing_column, propose_mapping, resolve_mapping
from millhand.documents.rows import Item, Row, RowFile
from millhand.errors import FindingsError, UsageError

# Fields that a later row of alpaca objects may have though the first ones do not.
_OPTIONAL = ("input", "system", "history", "tools")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file's rows become a dataset's. ``notes`` say what was chosen without being asked."""

    shape: Shape
    mapping: Mapping[str, str]
    convert: AlpacaConverter | ConversationConverter
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> Format:
        """The form of the rows that are written."""
        return "alpaca" if self.shape == "alpaca" else "sharegpt"

    @property
    def ranking(self) -> bool:
        """Whether rows have a chosen and a rejected answer."""
        return self.convert.ranking


def peek(file: RowFile) -> tuple[Mapping[str, Any], RowFile]:
    """The values of the first row that can be read, and the file as it was before."""
    seen: list[Item] = []
    for item in file.items:
        seen.append(item)
        if isinstance(item, Row):
            break
    first = seen[-1].values if seen and isinstance(seen[-1], Row) else {}
    return first, replace(file, items=_again(seen, file.items))


def _again(seen: Sequence[Item], rest: Iterator[Item]) -> Iterator[Item]:
    return chain(seen, rest)


def make_plan(
    file: RowFile,
    first: Mapping[str, Any],
    *,
    shape: Shape | None = None,
    wanted: Mapping[str, str] | None = None,
    system: str = "",
    as_text: bool = False,
) -> Plan:
    """Settle the shape and the mapping: as asked for, else by the columns and the first row.

    Raises:
        UsageError: A mapping or shape is asked for that cannot go with the other or the file.
        FindingsError: A column is missing, or the names do not tell which is which.
    """
    column = messages_column(file.columns, first) if file.kind == "objects" and not wanted else None
    if shape in ("sharegpt", "openai") or (shape is None and column):
        return _conversations(file, first, shape, column, wanted, system)
    mapping, notes = _mapping(file, wanted)
    all_of_it = mapping if wanted else _later_fields(file, mapping)
    return Plan("alpaca", mapping, AlpacaConverter(all_of_it, system=system, as_text=as_text), notes)


def _conversations(
    file: RowFile,
    first: Mapping[str, Any],
    shape: Shape | None,
    column: str | None,
    wanted: Mapping[str, str] | None,
    system: str,
) -> Plan:
    if wanted:
        raise UsageError(
            "A mapping is for tables and alpaca rows; conversations name their own parts.",
            mend="Leave `map:` (or --map) out.",
        )
    if column is None:
        raise FindingsError([missing_column(file.name, "conversations", file.columns)])
    kept = ("chosen", "rejected") if _is_ranking(first) else ()
    tag = next((n for n in ("kto_tag", "label") if not kept and isinstance(first.get(n), bool)), "")
    converter = ConversationConverter(column, system=system, ranking=bool(kept), kto_tag=tag)
    found: Shape = "openai" if "role" in first.get(column, [{}])[0] else "sharegpt"
    notes = _left_out(file, [column, "system", "tools", *kept, tag])
    return Plan(shape or found, {"conversations": column}, converter, notes)


def _is_ranking(first: Mapping[str, Any]) -> bool:
    return all(isinstance(first.get(name), dict | str) for name in ("chosen", "rejected"))


def _mapping(file: RowFile, wanted: Mapping[str, str] | None) -> tuple[dict[str, str], tuple[str, ...]]:
    if wanted:
        mapping = resolve_mapping(file.name, file.columns, wanted)
        return mapping, _left_out(file, list(mapping.values()))
    mapping = propose_mapping(file.name, file.columns)
    notes = _left_out(file, list(mapping.values()))
    chosen = ", ".join(f"{target}={column}" for target, column in mapping.items())
    if any(target != column for target, column in mapping.items()):
        notes = (f"took the columns by their names: {chosen} (say otherwise with --map)", *notes)
    return mapping, notes


def _later_fields(file: RowFile, mapping: Mapping[str, str]) -> Mapping[str, str]:
    """The mapping and, of alpaca objects, the fields that a row further down may be the first to have."""
    if file.kind == "table" or mapping.get("instruction") != "instruction":
        return mapping
    return {name: name for name in _OPTIONAL} | dict(mapping)


def _left_out(file: RowFile, used: Sequence[str]) -> tuple[str, ...]:
    rest = [column for column in file.columns if column not in used and column != "source"]
    return (f"left out: {', '.join(rest)}",) if rest else ()
