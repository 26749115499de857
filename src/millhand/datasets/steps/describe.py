"""What each step does and takes, from its own docstrings: for ``millhand data steps`` and the docs."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from millhand.datasets.steps.known import NAMES, load_step

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", types.NoneType: "null"}


class Option(NamedTuple):
    """A word that may stand behind a step's name, what it takes, its default and what it does."""

    name: str
    kind: str
    default: Any
    text: str


class Description(NamedTuple):
    """A step: what it does, in a sentence or two, and its options."""

    name: str
    text: str
    options: tuple[Option, ...]


def describe() -> list[Description]:
    """Every step, in the order in which they are best named."""
    return [_described(name) for name in NAMES]


def _described(name: str) -> Description:
    options = load_step(name).options
    module = sys.modules[f"millhand.datasets.steps.{name}"]
    text = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
    text = re.sub(rf"^The step ``{name}``: ", "", text)
    texts, kinds = _arguments(options), typing.get_type_hints(options)
    fields = msgspec.structs.fields(options)
    found = (Option(f.name, _kind(kinds[f.name]), _default(f), texts.get(f.name, "")) for f in fields)
    return Description(name, _told(text), tuple(found))


def _arguments(options: type[msgspec.Struct]) -> Mapping[str, str]:
    """The texts below ``Args:`` of a docstring, by name."""
    _, _, section = (inspect.getdoc(options) or "").partition("Args:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: _told(" ".join(text.split())) for name, text in found}


def _told(text: str) -> str:
    """With the marks of an answer in place of a docstring's."""
    return re.sub(r"\*(\w+)\*", r"\1", text.replace("``", "`"))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return None if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _kind(hint: Any) -> str:
    """What an option takes, in the words of a recipe: ``list of qa | summary``, ``number or null``."""
    form, of = typing.get_origin(hint), typing.get_args(hint)
    if form is typing.Literal:
        return " | ".join(str(value) or '""' for value in of)
    if form in (types.UnionType, typing.Union):
        return " or ".join(_kind(part) for part in of)
    if form is dict:
        return f"mapping of {_kind(of[0])} to {_kind(of[1])}"
    if form in (tuple, list):
        return f"list of {_kind(of[0])}"
    if issubclass(hint, msgspec.Struct):
        return f"mapping of {', '.join(hint.__struct_fields__)}"
    return _WORDS[hint]
