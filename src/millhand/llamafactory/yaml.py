"""YAML as LLaMA-Factory reads it, without importing what it reads it with.

``llamafactory-cli`` loads a config with OmegaConf (2.3 and 2.4: `omegaconf/_yaml.py`): PyYAML's safe
loader with three changes. ``3e-4`` is a number, a date stays text, and a key that stands twice is an
error. A plain PyYAML would read a learning rate of ``3e-4`` as text. A property test compares this reader
with the real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import yaml

from millhand.errors import Finding, FindingsError

KeyPath = tuple[str | int, ...]

# OmegaConf's own pattern for numbers with a point or an exponent.
_FLOAT = re.compile(
    r"""^(?:
         [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
        |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
    re.X,
)
_CORE = "tag:yaml.org,2002:"
_TIMESTAMP = f"{_CORE}timestamp"
# Text, numbers and yes/no, lists and mappings; merge and value stand for the keys `<<` and `=`.
_TAGS = frozenset(
    _CORE + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "value")
)
# OmegaConf refuses files that expand to more nodes than this through their anchors, and fails on nesting
# that Python's own stack cannot follow.
_MOST_NODES = 10_000
_DEEPEST = 50
_LINE_BREAKS = re.compile("[\n\r\x85\u2028\u2029\ufeff\x00-\x08\x0b-\x1f]")


def _loader() -> type[yaml.SafeLoader]:
    # libyaml's loader where PyYAML was built with it, as OmegaConf does
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = cast("type[yaml.SafeLoader]", type("_Loader", (base,), {}))
    loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return loader


class _Dumper(yaml.SafeDumper):
    """Quotes a text wherever either reader, OmegaConf's or PyYAML's own, would take it for something else."""


_Loader = _loader()
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if _LINE_BREAKS.search(text) else None
    ),
)
_Dumper.add_representer(
    float, lambda dumper, number: dumper.represent_scalar("tag:yaml.org,2002:float", _float_text(number))
)


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """The values of a YAML file, and the line on which each key stands.

    ``lines`` maps the path to a value (``("train", "dataset")``, list items by their index) to its line,
    counted from 1; ``columns`` to where on that line its key starts, counted from 1.
    """

    file: str
    values: dict[str, Any]
    lines: Mapping[KeyPath, int]
    columns: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, *path: str | int) -> int | None:
        """The line of the value at ``path``, or of the nearest thing around it; None where there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the values of a YAML file as LLaMA-Factory does.

    Raises:
        FindingsError: It is not UTF-8, not YAML, holds a key twice, or is no list of ``key: value`` lines.
    """
    return read_document(path).values


def read_document(path: Path) -> YamlDocument:
    """Read a YAML file with the lines of its keys; raises as :func:`read_yaml` does."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _failure(
            str(path), "yaml.encoding", "This is not UTF-8.", line, "Save the file as UTF-8 and try again."
        ) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> YamlDocument:
    """Parse YAML text; ``file`` is the name that findings give. Raises as :func:`read_yaml` does."""
    node = _compose(text, file)
    if node is None:
        return YamlDocument(file, {}, {})
    places, findings = _look_through(node, file)
    if findings:
        raise FindingsError(findings)
    values = _construct(node, file)
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise _failure(
            file, "yaml.no-mapping", "The file is not made of `key: value` lines.", 1,
            "Write one setting a line, as in `learning_rate: 1.0e-4`; a key is a word.",
        )  # fmt: skip
    lines = {path: line for path, (line, _) in places.items()}
    return YamlDocument(file, values, lines, {path: column for path, (_, column) in places.items()})


def parse_value(text: str, where: str) -> Any:
    """Parse one value as it would stand after ``key:``; ``where`` is the name that findings give.

    Raises:
        FindingsError: It is not YAML.
    """
    node = _compose(text, where)
    if node is None:
        return None
    _, findings = _look_through(node, where)
    if findings:
        raise FindingsError(findings)
    return _construct(node, where)


def dump_value(value: object) -> str:
    """Write a value on one line, as it stands after ``key: ``; reading it back gives the same value."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        width=float("inf"),
        allow_unicode=True,
        sort_keys=False,
    )
    return str(text).removesuffix("\n").removesuffix("\n...")


def _compose(text: str, file: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _syntax_error(error, text, file) from None
    finally:
        loader.dispose()


def _construct(node: yaml.Node, file: str) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _syntax_error(error, "", file) from None
    finally:
        loader.dispose()


def _look_through(root: yaml.Node, file: str) -> tuple[dict[KeyPath, tuple[int, int]], list[Finding]]:
    """Note the line and column of every value and find every key that stands twice."""
    places: dict[KeyPath, tuple[int, int]] = {}
    findings: list[Finding] = []
    waiting: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    seen = 0
    while waiting:
        path, node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES or len(path) > _DEEPEST:
            line, mend = node.start_mark.line + 1, "Write the values out instead of using anchors (`&`, `*`)."
            message = "The file expands without end, or is nested too deeply."
            return places, [_finding(file, "yaml.too-large", message, line, mend)]
        findings += [*_twice(node, file), *_odd(node, file)]
        for key, mark, child in _children(node):
            places.setdefault((*path, key), (mark.line + 1, mark.column + 1))
            waiting.append(((*path, key), child))
    return places, sorted(findings, key=lambda finding: finding.line or 0)


def _children(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Mark, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield index, item.start_mark, item


def _twice(node: yaml.Node, file: str) -> Iterator[Finding]:
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag != yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG:
            continue
        line = key.start_mark.line + 1
        if key.value in first:
            message = f"{key.value} stands twice: on line {first[key.value]} and again here."
            yield _finding(file, "yaml.twice", message, line, "Take one of the two lines out.")
        first.setdefault(key.value, line)


def _odd(node: yaml.Node, file: str) -> Iterator[Finding]:
    if node.tag not in _TAGS:
        mark, tag = node.start_mark, node.tag.removeprefix(_CORE)
        mend = "Put quotes around the value; a value may not start with '!'."
        yield _finding(
            file, "yaml.tag", f"LLaMA-Factory takes no {tag} here.", mark.line + 1, mend, mark.column + 1
        )


def _syntax_error(error: Exception, text: str, file: str) -> FindingsError:
    line, column, what = _place(error, text)
    shown = text.splitlines()[line - 1 : line] or [""]
    message, mend = f"This is not YAML: {what}.", _mend(what, shown[0])
    return FindingsError([_finding(file, "yaml.syntax", message, line, mend, column)])


def _place(error: Exception, text: str) -> tuple[int, int, str]:
    """Line and column, both from 1, and what is wrong there."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it cannot be read"
        return (mark.line + 1, mark.column + 1, what) if mark else (1, 1, what)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, 1, f"it holds a character that YAML does not allow ({error.reason})"
    return 1, 1, "a value cannot be read" if isinstance(error, ValueError) else "it is nested too deeply"


def _mend(what: str, line: str) -> str:
    if line.lstrip(" ").startswith("\t"):
        return "Use blanks for indentation, not tabs."
    if "constructor for the tag" in what:
        return "Put quotes around the value; a value may not be a bare '<<' or '='."
    if "another document" in what:
        return "Keep one config a file: take the line `---` out."
    return "Put quotes around a value that holds ': ', ' #' or brackets, and align the lines of a block."


def _failure(file: str, name: str, message: str, line: int, mend: str) -> FindingsError:
    return FindingsError([_finding(file, name, message, line, mend)])


def _finding(file: str, name: str, message: str, line: int, mend: str, column: int | None = None) -> Finding:
    place = str(column) if column else None
    return Finding(id=name, severity="error", message=message, file=file, line=line, column=place, mend=mend)


def _float_text(number: float) -> str:
    """``1.0e-4`` as LLaMA-Factory's own examples have it; others as Python writes them."""
    if number != number or number in (float("inf"), float("-inf")):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(number)]
    if number and (abs(number) < 1e-2 or abs(number) >= 1e16):
        sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
        rest = "".join(map(str, digits[1:])) or "0"
        return f"{'-' * sign}{digits[0]}.{rest}e{int(exponent) + len(digits) - 1:+d}"
    return repr(number)
