"""The chat templates of LLaMA-Factory, read from the source of ``data/template.py``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from millhand.llamafactory.source import Source, calls, plain

_CONTENT = "{{content}}"
_EOS = "{eos_token}"
# A piece of a message: text, ``("eos_token",)`` and ``("bos_token",)`` for the tokenizer's own, or
# ``("token", "<|user|>")`` for one token by its name.
Slot = str | tuple[str, ...]
Slots = tuple[Slot, ...]
_FORMATS = ("prefix", "system", "user", "assistant", "observation", "function")
# data/template.py, register_template: what stands for words of a thought that are not given.
THOUGHT_WORDS = ("<think>\n", "\n</think>\n\n")


class Template(msgspec.Struct, frozen=True, omit_defaults=True):
    """What matters of a template before a run.

    ``end`` is what stands behind an answer, ``{eos_token}`` the tokenizer's own end; with
    ``efficient_eos`` the end token stands once, behind the whole text. With ``replace_eos`` the first of
    ``stop_words`` becomes the tokenizer's end token. ``reasoning`` templates put an empty thought before
    an answer that holds none. ``kind`` is the class; ``prefix`` to ``function`` are the slots of each kind
    of message, empty where none are given (:meth:`slots` knows what stands in their place). ``tools`` is
    the way tools are described, ``plugin`` takes in what is no text, and ``media`` says what of image, video
    and audio it has a token for.
    """

    end: str
    reasoning: bool = False
    stop_words: tuple[str, ...] = ()
    default_system: str = ""
    efficient_eos: bool = False
    replace_eos: bool = False
    replace_jinja_template: bool = False
    thought_words: tuple[str, ...] = ()
    plugin: str = ""
    media: tuple[str, ...] = ()
    kind: str = "Template"
    tools: str = "default"
    prefix: Slots = ()
    system: Slots = ()
    user: Slots = ()
    assistant: Slots = ()
    observation: Slots = ()
    function: Slots = ()

    def slots(self, role: str) -> Slots:
        """The slots of a message of a role, as ``register_template`` fills in those that are not given."""
        if role == "prefix":
            return self.prefix
        answer: Slots = (_CONTENT,) if self.efficient_eos else (_CONTENT, ("eos_token",))
        others = {
            "assistant": answer,
            "function": self.assistant or answer,
            "observation": self.user or (_CONTENT,),
        }
        given: Slots = getattr(self, role)
        return given or others.get(role, (_CONTENT,))

    @property
    def empty_thought(self) -> str:
        """What a reasoning template puts before an answer without a thought (``add_thought``)."""
        words = self.thought_words or THOUGHT_WORDS
        return words[1] if self.kind == "Glm47ReasoningTemplate" else "".join(words)


def read_templates(source: Source) -> dict[str, Template]:
    """All templates by name in order."""
    tree = source.parse("data/template.py")
    thinking = _reasoning_classes(tree)
    found = {plain(given["name"]): _template(given, thinking) for given in calls(tree, "register_template")}
    return dict(sorted(found.items()))


def _template(given: dict[str, ast.expr], thinking: frozenset[str]) -> Template:
    flags = ("default_system", "efficient_eos", "replace_eos", "replace_jinja_template")
    values: dict[str, Any] = {name: plain(given[name]) for name in flags if name in given}
    lists = ("stop_words", "thought_words")
    values |= {name: tuple(plain(given[name])) for name in lists if name in given}
    values |= {name: _as_slots(given.get(f"format_{name}")) for name in _FORMATS}
    template_class = ast.unparse(given["template_class"]) if "template_class" in given else "Template"
    slots = _slots(given.get("format_assistant")) or [_CONTENT, "" if values.get("efficient_eos") else _EOS]
    return Template(
        end="".join(slots).rpartition(_CONTENT)[2],
        reasoning=template_class in thinking,
        plugin=_plugin(given.get("mm_plugin")),
        media=_media(given.get("mm_plugin")),
        kind=template_class,
        tools=_tool_format(given.get("format_tools")),
        **values,
    )


def _reasoning_classes(tree: ast.Module) -> frozenset[str]:
    found = {"ReasoningTemplate"}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in found for base in node.bases):
            found.add(node.name)
    return frozenset(found)


def _slots(formatter: ast.expr | None) -> list[str]:
    """The pieces of a formatter: texts as they are, ``{"eos_token"}`` and ``{"token": "x"}`` as text."""
    if not isinstance(formatter, ast.Call):
        return []
    given = next((keyword.value for keyword in formatter.keywords if keyword.arg == "slots"), None)
    return [piece for item in plain(given) for piece in _pieces(item)] if given else []


def _pieces(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        yield from item.values()
    else:
        yield from (f"{{{name}}}" for name in item)


def _as_slots(formatter: ast.expr | None) -> Slots:
    if not isinstance(formatter, ast.Call):
        return ()
    given = next((keyword.value for keyword in formatter.keywords if keyword.arg == "slots"), None)
    return tuple(_as_slot(item) for item in plain(given)) if given else ()


def _as_slot(item: Any) -> Slot:
    if isinstance(item, dict):
        return ("token", str(item["token"]))
    return item if isinstance(item, str) else tuple(sorted(item))


def read_tool_prompts(source: Source) -> dict[str, str]:
    """What each way of describing tools writes around them, ``{tool_text}`` in the middle.

    ``TOOLS`` of ``data/tool_utils.py`` names a class for each; the text is the constant that its
    ``tool_formatter`` uses. Two write none.
    """
    tree = source.parse("data/tool_utils.py")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    constants = {name: text for name, text in _texts(tree) if name.endswith("_TOOL_PROMPT")}
    table = next(
        node.value for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TOOLS"
    )  # fmt: skip
    if not isinstance(table, ast.Dict):
        return {}
    pairs = zip(table.keys, table.values, strict=True)
    made = {plain(key): classes[ast.unparse(value).removesuffix("()")] for key, value in pairs if key}
    return {name: _prompt_of(node, constants) for name, node in sorted(made.items())}


def _texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.JoinedStr | ast.BinOp):
            yield ast.unparse(node.targets[0]), str(plain(node.value))


def _prompt_of(node: ast.ClassDef, constants: Mapping[str, str]) -> str:
    formatters = (item for item in node.body if isinstance(item, ast.FunctionDef))
    used = next((item for item in formatters if item.name == "tool_formatter"), node)
    names = [item.id for item in ast.walk(used) if isinstance(item, ast.Name) and item.id in constants]
    # a text for str.format: its braces are doubled
    return constants[names[0]].replace("{{", "{").replace("}}", "}") if names else "{tool_text}"


def _tool_format(formatter: ast.expr | None) -> str:
    given = formatter.keywords if isinstance(formatter, ast.Call) else []
    return next((str(plain(item.value)) for item in given if item.arg == "tool_format"), "default")


def _plugin(made: ast.expr | None) -> str:
    """The name that ``get_mm_plugin`` is called with, by keyword or not."""
    if not isinstance(made, ast.Call):
        return ""
    named = (keyword.value for keyword in made.keywords if keyword.arg == "name")
    return str(plain([*made.args[:1], *named][0]))


def _media(made: ast.expr | None) -> tuple[str, ...]:
    """What of image, video and audio ``get_mm_plugin`` is given a token for."""
    given = {keyword.arg for keyword in made.keywords} if isinstance(made, ast.Call) else set()
    return tuple(kind for kind in ("image", "video", "audio") if f"{kind}_token" in given)
