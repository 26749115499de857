"""Every argument that LLaMA-Factory takes, read from the source of its dataclasses and of transformers'.

Its own parser cannot serve for this: it imports torch, and it does not check the types or choices of what
stands in a YAML (`HfArgumentParser.parse_dict` hands the values to the dataclasses as they are).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from millhand.llamafactory.source import NotPlainError, Source, enums, plain

# hparams/parser.py: which list of dataclasses each command's config is parsed with.
_LISTS = {"train": "_TRAIN_ARGS", "infer": "_INFER_ARGS"}
_FILES = ("model_args", "data_args", "training_args", "finetuning_args", "generating_args")
_TRAINING = ("training_args.py", "training_args_seq2seq.py")
# hparams/training_args.py gives the base another name, so that Megatron can take its place.
_ALIASES = {"BaseTrainingArguments": "Seq2SeqTrainingArguments"}


class Argument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key of a config: its dataclass, its type as written, its default and the values it may have.

    ``choices`` is empty where any value of the type will do. ``computed`` is the expression of a default
    that is only known at run time.
    """

    owner: str
    type: str
    default: Any = None
    choices: tuple[str, ...] = ()
    computed: str = ""


class _Classes:
    """The dataclasses of one package; a base that is not among them is looked for in ``below``."""

    def __init__(self, trees: list[ast.Module], known: Mapping[str, Mapping[str, str]]) -> None:
        found = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
        self.classes = {node.name: node for node in found}
        self.known = known
        self.below: _Classes | None = None

    def fields(self, name: str, owner: str) -> dict[str, Argument]:
        """The fields of a class and its bases; a class's own win, then those of its first base."""
        node = self.classes.get(name)
        if node is None:
            return self.below.fields(name, owner) if self.below else {}
        found: dict[str, Argument] = {}
        for base in reversed(node.bases):
            other = ast.unparse(base)
            found |= self._of_base(name, _ALIASES.get(other, other), owner)
        return found | dict(self._own(node, owner))

    def _of_base(self, name: str, base: str, owner: str) -> dict[str, Argument]:
        if base == name and self.below:
            return self.below.fields(base, owner)
        return self.fields(base, owner)

    def _own(self, node: ast.ClassDef, owner: str) -> Iterator[tuple[str, Argument]]:
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                argument = self._argument(item, owner)
                if argument is not None:
                    yield item.target.id, argument

    def _argument(self, item: ast.AnnAssign, owner: str) -> Argument | None:
        default: ast.expr | None = item.value
        if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
            given = {keyword.arg: keyword.value for keyword in default.keywords}
            if "init" in given and plain(given["init"]) is False:
                return None
            made = given.get("default_factory")
            default = given.get("default", ast.Call(made, [], []) if made else None)
        value, computed = self._value(default)
        choices = tuple(_choices(item.annotation, self.known))
        return Argument(owner, ast.unparse(item.annotation), value, choices, computed)

    def _value(self, default: ast.expr | None) -> tuple[Any, str]:
        try:
            return (None if default is None else plain(default, self.known)), ""
        except NotPlainError as error:
            return None, str(error)


def read_arguments(llamafactory: Source, transformers: Source) -> dict[str, Argument]:
    """All keys that a config may have, by name in order."""
    below_trees = [transformers.parse(name) for name in _TRAINING]
    trees = [llamafactory.parse(f"hparams/{name}.py") for name in _FILES]
    named = [*below_trees, transformers.parse("trainer_utils.py")]
    known = {name: members for tree in named for name, members in enums(tree).items()}
    own = _Classes(trees, enums(llamafactory.parse("extras/constants.py")))
    own.below = _Classes(below_trees, known)
    owners = sorted({owner for names in read_commands(llamafactory).values() for owner in names})
    found = {name: a for owner in owners for name, a in own.fields(owner, owner).items()}
    return dict(sorted(found.items()))


def read_commands(llamafactory: Source) -> dict[str, tuple[str, ...]]:
    """Which dataclasses each command's config is made of; ``infer`` is export, chat, api and webchat."""
    lists = {
        node.targets[0].id: node.value
        for node in llamafactory.parse("hparams/parser.py").body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return {command: _names(lists[variable]) for command, variable in _LISTS.items()}


def _names(node: ast.expr) -> tuple[str, ...]:
    return tuple(ast.unparse(item) for item in node.elts) if isinstance(node, ast.List) else ()


def _choices(annotation: ast.expr, known: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The texts that ``Literal[...]`` or an enumeration in a type allows."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            yield from (value for value in map(plain, items) if isinstance(value, str))
        elif isinstance(node, ast.Name) and node.id in known:
            yield from known[node.id].values()
