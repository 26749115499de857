"""A card's generated blocks, and the text that a person wrote around them. Pure.

A generated block stands between two lines of its own::

    <!-- millhand:begin training -->
    ...
    <!-- millhand:end training -->

All else below the metadata is a person's and is kept. Of the metadata, what Millhand writes is written
anew; keys, tags and results of evaluations that it did not write are kept. Which keys and tags it wrote last
time stands in a comment of the first block, so that what it no longer writes goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

SOURCE = "Millhand"  # the name under which its evaluations stand in the metadata
_LISTS = ("tags", "language", "datasets", "task_categories")
_KEYS = "keys"  # in the comment: every key that was written
# Written by versions whose comment named no keys; stale as soon as the licence or the base is another.
_UNNAMED = ("license_name", "license_link", "base_model", "base_model_relation")
_OF_LICENCE = ("license_name", "license_link")  # of a licence that Millhand replaces
_BOOL = "tag:yaml.org,2002:bool"
_MARK = re.compile(r"<!-- millhand:(begin|end) ([a-z-]+) -->\Z")
_WROTE = re.compile(r"^<!-- millhand:wrote (\{.*\}) -->$", re.M)
_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\n(.*?)^---[ \t]*$\n?", re.S | re.M)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a card's body: a generated block, or with no name a person's text; ``text`` ends a line."""

    name: str
    text: str


def block(name: str, body: str) -> str:
    """A generated block."""
    return f"<!-- millhand:begin {name} -->\n{body.strip()}\n<!-- millhand:end {name} -->\n"


def wrote(metadata: Mapping[str, Any]) -> str:
    """The comment that says which keys, and which items of lists, Millhand wrote."""
    lists = {key: metadata[key] for key in _LISTS if isinstance(metadata.get(key), list)}
    kept = {_KEYS: list(metadata), **lists}
    return f"<!-- millhand:wrote {json.dumps(kept, ensure_ascii=True).replace('--', '-&#45;')} -->"


def join_card(metadata: Mapping[str, Any], body: str) -> str:
    """A card's whole text."""
    return f"---\n{dump_metadata(metadata)}---\n\n{body.lstrip(chr(10))}"


def dump_metadata(metadata: Mapping[str, Any]) -> str:
    """Metadata as the Hub's own library writes it: in order, a block."""
    return str(yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000))


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: to the Hub ``no`` is Norwegian, to YAML 1.1 it is false."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in known if tag != _BOOL]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))


def load_metadata(text: str) -> Any:
    """What YAML holds.

    Raises:
        yaml.YAMLError: It is none.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """A card's metadata and body; metadata that is no mapping of YAML is left in the body."""
    text = card.replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT.match(text)
    if front is None:
        return {}, text
    try:
        metadata = load_metadata(front[1])
    except yaml.YAMLError:
        return {}, text
    if metadata is None:
        return {}, text[front.end() :]
    return (metadata, text[front.end() :]) if isinstance(metadata, dict) else ({}, text)


def pieces(body: str) -> list[Piece]:
    """The parts of a body in order. A mark without its other is dropped: what is there is a person's."""
    lines = body.splitlines(keepends=True)
    marks = list(_marks(lines))
    found, place = [], 0
    for first, second in pairwise(marks):
        if (first.kind, second.kind) == ("begin", "end") and first.name == second.name:
            block_lines = lines[first.line : second.line + 1]
            found += [_personal(lines[place : first.line]), Piece(first.name, "".join(block_lines))]
            place = second.line + 1
    return [piece for piece in (*found, _personal(lines[place:])) if piece.text]


class _Mark(NamedTuple):
    line: int
    kind: str
    name: str


def _marks(lines: Sequence[str]) -> Iterator[_Mark]:
    for number, line in enumerate(lines):
        match = _MARK.match(line.strip())
        if match:
            yield _Mark(number, match[1], match[2])


def _personal(lines: Sequence[str]) -> Piece:
    return Piece("", "".join(line for line in lines if not _MARK.match(line.strip())))


def merge(new: str, standing: str) -> str:
    """The new card with what a person wrote into the standing one.

    A block takes its old place; a new one follows the block that it follows in the new card; one that is no
    longer made goes. A card without any block is a person's: it is kept whole, below the new one.
    """
    if not standing.strip():
        return new
    metadata, body = split_card(new)
    old_metadata, old_body = split_card(standing)
    old = _once(pieces(old_body))
    fresh = [piece for piece in pieces(body) if piece.name]
    kept = _placed(fresh, old) if any(piece.name for piece in old) else _above(body, old_body)
    merged = merge_metadata(metadata, old_metadata, _wrote(old_body))
    return join_card(merged, "".join(_ended(piece.text) for piece in kept))


def _above(body: str, old_body: str) -> list[Piece]:
    return [*pieces(body), *([Piece("", f"\n{old_body.strip()}\n")] if old_body.strip() else [])]


def _once(found: Sequence[Piece]) -> list[Piece]:
    """The pieces, of blocks that stand twice the first only."""
    names: set[str] = set()
    kept = []
    for piece in found:
        if not piece.name or piece.name not in names:
            kept.append(piece)
        names.add(piece.name)
    return kept


def _placed(fresh: Sequence[Piece], old: Sequence[Piece]) -> list[Piece]:
    by_name = {piece.name: piece for piece in fresh}
    kept = [by_name.get(piece.name, piece) for piece in old if not piece.name or piece.name in by_name]
    before = ""
    for piece in fresh:
        names = [other.name for other in kept]
        if piece.name not in names:
            place = names.index(before) + 1 if before else 0
            kept[place:place] = [Piece("", "\n"), piece] if place else [piece, Piece("", "\n")]
        before = piece.name
    return kept


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _wrote(body: str) -> dict[str, list[Any]]:
    """Lists by key, and under ``keys`` what is Millhand's of the metadata above this body."""
    found = _WROTE.search(body)
    try:
        told = json.loads(found[1].replace("-&#45;", "--")) if found else {}
    except ValueError:
        told = {}
    lists = {key: items for key, items in told.items() if isinstance(items, list)}
    return {_KEYS: list(_UNNAMED if found else _OF_LICENCE), **lists}


def merge_metadata(
    new: Mapping[str, Any], standing: Mapping[str, Any], wrote_before: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """New metadata with the keys, list items, configs and results that a person added to the standing one."""
    ours = {*new, *map(str, wrote_before.get(_KEYS, ()))}
    merged = {**new, **{key: value for key, value in standing.items() if key not in ours}}
    for key in _LISTS:
        theirs = [item for item in _as_list(standing.get(key)) if item not in wrote_before.get(key, ())]
        items = [*_as_list(new.get(key)), *(item for item in theirs if item not in _as_list(new.get(key)))]
        merged |= {key: items} if items else {}
        if not items:
            merged.pop(key, None)
    return _with_results(_with_configs(merged, new, standing), new, standing)


def _with_configs(
    merged: dict[str, Any], new: Mapping[str, Any], standing: Mapping[str, Any]
) -> dict[str, Any]:
    """A dataset's configs under other names than Millhand's are a person's."""
    if "configs" in merged and "configs" not in new:
        return merged
    ours = [config.get("config_name") for config in _as_list(new.get("configs"))]
    theirs = [
        config
        for config in _as_list(standing.get("configs"))
        if isinstance(config, dict) and config.get("config_name", "default") not in (*ours, "default")
    ]
    configs = [*_as_list(new.get("configs")), *theirs]
    return {**merged, "configs": configs} if theirs else merged


def _with_results(
    merged: dict[str, Any], new: Mapping[str, Any], standing: Mapping[str, Any]
) -> dict[str, Any]:
    """Results of evaluations that do not name Millhand as their source are a person's."""
    theirs = [result for result in _results(standing) if not _is_ours(result)]
    results = [*_results(new), *theirs]
    merged.pop("model-index", None)
    if results:
        indexes = _indexes(new) or _indexes(standing)
        merged["model-index"] = [{"name": indexes[0].get("name", ""), "results": results}]
    return merged


def _results(metadata: Mapping[str, Any]) -> list[Any]:
    return [result for index in _indexes(metadata) for result in _as_list(index.get("results"))]


def _indexes(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [index for index in _as_list(metadata.get("model-index")) if isinstance(index, dict)]


def _is_ours(result: Any) -> bool:
    source = result.get("source") if isinstance(result, dict) else None
    return isinstance(source, dict) and source.get("name") == SOURCE


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
