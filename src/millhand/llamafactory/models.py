"""The models that LLaMA-Factory knows and the template of each, from ``extras/constants.py``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

import msgspec

from millhand.llamafactory.source import Source, calls, enums, plain

# constants.py, register_model_group: a group's template is the default only of models named like this...
_SPEAKING = ("-Chat", "-Distill", "-Instruct", "-Thinking")
# What a re-upload adds to a model's name: the weights are the model's own, quantized or renamed.
_REPACKED = re.compile(
    r"(-unsloth)?-bnb-4bit$|-(awq|gptq|fp8|int4|int8|4bit|8bit|bf16|gguf|hf|dynamic)(?=-|$)", re.I
)


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model: its repositories by hub (hf, ms, om), its group's template, and whether it is a default.

    ``speaks`` says that LLaMA-Factory takes the group's template for this model by itself.
    """

    repositories: dict[str, str]
    template: str = ""
    speaks: bool = False
    multimodal: bool = False


def read_models(source: Source) -> dict[str, Model]:
    """All models by the name that LLaMA-Factory shows, in order."""
    tree = source.parse("extras/constants.py")
    hubs = enums(tree)["DownloadSource"]
    found = {
        name: model
        for given in calls(tree, "register_model_group")
        for name, model in _group(given, hubs).items()
    }
    return dict(sorted(found.items()))


def _group(given: Mapping[str, ast.expr], hubs: Mapping[str, str]) -> dict[str, Model]:
    template = plain(given["template"]) if "template" in given else ""
    multimodal = bool(plain(given["multimodal"])) if "multimodal" in given else False
    return {
        name: Model(paths, template, bool(template) and (multimodal or _speaks(name)), multimodal)
        for name, paths in _paths(given["models"], hubs)
    }


def _paths(models: ast.expr, hubs: Mapping[str, str]) -> Iterable[tuple[str, dict[str, str]]]:
    if isinstance(models, ast.Dict):
        for key, value in zip(models.keys, models.values, strict=True):
            if key is not None and isinstance(value, ast.Dict):
                places = zip(value.keys, value.values, strict=True)
                yield plain(key), {plain(hub, {"DownloadSource": hubs}): plain(p) for hub, p in places if hub}


def _speaks(name: str) -> bool:
    return any(suffix in name for suffix in _SPEAKING)


def templates_of(model: str, models: Mapping[str, Model]) -> frozenset[str]:
    """The templates that fit a model named by its repository; empty where LLaMA-Factory knows none.

    A repository that is not listed is compared by its bare name, so that a mirror or a repacked copy
    (``unsloth/Qwen3-8B-bnb-4bit``, ``meta-llama/Llama-3.1-8B-Instruct``) is known as well.
    """
    for key in (str.casefold, _bare):
        wanted = key(model)
        same = [m for m in models.values() if any(key(path) == wanted for path in m.repositories.values())]
        if same:
            return frozenset(m.template for m in same if m.speaks)
    return frozenset()


def _bare(repository: str) -> str:
    name = _REPACKED.sub("", repository.rpartition("/")[2].casefold())
    return name.removeprefix("meta-").replace("_", "-")
