"""dataset_info.json: what LLaMA-Factory makes of an entry, and the file's reading and writing.

LLaMA-Factory has a default for every member of ``columns`` and ``tags``, but an entry that gives
``columns`` at all sets each member that it does not list to null. A list that leaves ``query`` out
therefore drops the input text of every row, silently. What is written here lists every member.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from millhand.errors import Finding, FindingsError

FILE = "dataset_info.json"
HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")

_COLUMNS: Mapping[str, str | None] = MappingProxyType(
    {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "history": None,
        "messages": "conversations",
        "system": None,
        "tools": None,
        "images": None,
        "videos": None,
        "audios": None,
        "chosen": None,
        "rejected": None,
        "kto_tag": None,
    }
)
TAGS: Mapping[str, str] = MappingProxyType(
    {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": "human",
        "assistant_tag": "gpt",
        "observation_tag": "observation",
        "function_tag": "function_call",
        "system_tag": "system",
    }
)
# member of `columns` -> the column of our rows, in the order in which they are written
_ALPACA = MappingProxyType(
    {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "history": "history",
        "system": "system",
        "tools": "tools",
        "chosen": "chosen",
        "rejected": "rejected",
        "kto_tag": "kto_tag",
    }
)
_SHAREGPT = MappingProxyType(
    {
        "messages": "conversations",
        "system": "system",
        "tools": "tools",
        "chosen": "chosen",
        "rejected": "rejected",
        "kto_tag": "kto_tag",
    }
)
_MANAGED = ("file_name", "formatting", "ranking", "columns", "tags")


def columns_of(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """What LLaMA-Factory makes of an entry's ``columns``: all members, those not listed null."""
    if "columns" not in entry:
        return dict(_COLUMNS)
    return {member: entry["columns"].get(member) for member in _COLUMNS}


def tags_of(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """What LLaMA-Factory makes of an entry's ``tags``: all members, those not listed null."""
    if "tags" not in entry:
        return dict(TAGS)
    return {member: entry["tags"].get(member) for member in TAGS}


def make_entry(file_name: str, format_: str, columns: tuple[str, ...], *, ranking: bool) -> dict[str, Any]:
    """The entry of a dataset of ours, whose rows have ``columns``; every member that matters is listed.

    ``file_name`` is relative to the registry.
    """
    members = _SHAREGPT if format_ == "sharegpt" else _ALPACA
    entry: dict[str, Any] = {"file_name": file_name, "formatting": format_}
    if ranking:
        entry["ranking"] = True
    entry["columns"] = {member: column for member, column in members.items() if column in columns}
    if format_ == "sharegpt":
        entry["tags"] = dict(TAGS)
    return entry


def keep_additions(entry: dict[str, Any], existing: Mapping[str, Any]) -> dict[str, Any]:
    """Add to an entry of ours what a person wrote into it by hand (num_samples, split and the like)."""
    return entry | {key: value for key, value in existing.items() if key not in _MANAGED}


def read_info(folder: Path) -> dict[str, dict[str, Any]]:
    """Read ``folder``'s dataset_info.json; a missing or empty file is an empty registry.

    Raises:
        FindingsError: It is no JSON object of objects. It is left as it is.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        info = orjson.loads(content) if content.strip() else {}
    except orjson.JSONDecodeError as error:
        raise _broken(path, f"is not JSON: {error.msg}", line=error.lineno) from error
    if not isinstance(info, dict):
        raise _broken(path, "is not a JSON object of datasets by name")
    wrong = [name for name, entry in info.items() if not _is_entry(entry)]
    if wrong:
        raise _broken(
            path, f"has an entry that is no object, or whose columns or tags are none: {wrong[0]!r}"
        )
    return info


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return all(isinstance(entry.get(member, {}), dict) for member in ("columns", "tags"))


def _broken(path: Path, what: str, *, line: int | None = None) -> FindingsError:
    finding = Finding(
        id="data.broken-registry",
        severity="error",
        message=what,
        file=f"{path.parent.name}/{path.name}",
        line=line,
        why="It may hold entries written by hand, so it is not overwritten. LLaMA-Factory cannot read it.",
        mend=f"Mend it in an editor, or move it away and type `millhand data list` again: {path}",
    )
    return FindingsError([finding])


def dump_info(info: Mapping[str, Any]) -> bytes:
    """The bytes of a dataset_info.json: UTF-8, keys as given, two blanks, one line feed at the end."""
    return orjson.dumps(info, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
