"""dataset.yaml: what a dataset was made from and how, strictly read.

There is no time in it and no machine's path: the same input with the same options gives the same bytes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import yaml

from millhand.errors import Finding, FindingsError
from millhand.files import write_text
from millhand.text.normal import did_you_mean

FILE = "dataset.yaml"
ROWS = "rows.jsonl"
Shape: TypeAlias = Literal["alpaca", "sharegpt", "openai"]
Format: TypeAlias = Literal["alpaca", "sharegpt"]
_HEAD = "# Made by `millhand data add`. Description and licence may be edited.\n"


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that rows were read from. ``path`` is relative to the workspace; ``bytes`` is its size."""

    path: str
    sha256: str
    bytes: int
    rows: int
    encoding: str | None = None
    sheet: str | None = None


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The content of dataset.yaml.

    ``shape`` is that of the source, ``format`` that of rows.jsonl, ``columns`` are the keys of each of
    its rows, ``mapping`` goes from a record's field to the source's column, ``rows`` counts rows.jsonl
    and ``rejected`` what ``--skip-bad`` left out. ``sha256`` is that of rows.jsonl. ``file`` is where the
    rows lie below the registry, where that is not NAME/rows.jsonl: a part of a built dataset.
    """

    name: str
    sources: tuple[SourceFile, ...]
    shape: Shape
    format: Format
    columns: tuple[str, ...]
    rows: int
    sha256: str
    description: str = ""
    licence: str = ""
    mapping: dict[str, str] = {}
    ranking: bool = False
    system: str = ""
    as_text: bool = False
    skip_bad: bool = False
    rejected: int = 0
    file: str = ""

    @property
    def file_name(self) -> str:
        """Where its rows lie, below the registry."""
        return self.file or f"{self.name}/{ROWS}"


_HEAD_KEYS = (
    "name",
    "description",
    "licence",
    "sources",
    "shape",
    "mapping",
    "system",
    "as_text",
    "skip_bad",
)
_ORDER = (*_HEAD_KEYS, "rejected", "format", "ranking", "columns", "rows", "sha256")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def dump_definition(definition: Definition) -> str:
    """The text of a dataset.yaml; the same definition gives the same text."""
    values: dict[str, Any] = msgspec.to_builtins(definition)
    ordered = {key: values[key] for key in _ORDER if key in values}
    return _HEAD + yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def write_definition(path: Path, definition: Definition) -> None:
    """Write a dataset.yaml, whole or not at all."""
    write_text(path, dump_definition(definition))


def read_definition(path: Path) -> Definition:
    """Read a dataset.yaml.

    Raises:
        FindingsError: It is no YAML, or a key is unknown, missing or of the wrong type.
    """
    shown = "/".join(path.parts[-3:])
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Definition)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise _finding(shown, f"is not YAML: {error.problem}", line=line) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise _finding(shown, f"is not YAML in UTF-8: {error}") from error
    except msgspec.ValidationError as error:
        raise _finding(shown, str(error), mend=_mend(str(error))) from error


def _mend(message: str) -> str:
    unknown = re.search(r"unknown field `(.*?)`(?: - at `(.*?)`)?", message)
    if not unknown:
        return ""
    struct = SourceFile if unknown[2] else Definition
    return (
        did_you_mean(unknown[1], struct.__struct_fields__)
        or f"Known are: {', '.join(struct.__struct_fields__)}."
    )


def _finding(file: str, message: str, *, line: int | None = None, mend: str = "") -> FindingsError:
    finding = Finding(
        id="data.broken-definition",
        severity="error",
        message=message,
        file=file,
        line=line,
        why="It says what the dataset's rows were made from; it is read strictly: no slip stays unseen.",
        mend=mend
        or "Mend it in an editor, or make it anew with `millhand data add FILE --name NAME --replace`.",
    )
    return FindingsError([finding])
