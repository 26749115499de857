"""The snapshot against the installed source, and both against what the imported packages hold."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

import pytest

from millhand.llamafactory.knowledge import SNAPSHOT, read_knowledge, shipped
from millhand.llamafactory.snapshot import snapshot_text
from millhand.llamafactory.source import find_source
from tests.cases.check import HERE as CASES

pytestmark = pytest.mark.real

# Prints what the run-time registries of the imported package hold.
ASK = """
import dataclasses, enum, json
from llamafactory.data.template import TEMPLATES, ReasoningTemplate
from llamafactory.data.converter import DATASET_CONVERTERS
from llamafactory.extras.constants import DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS, SUPPORTED_MODELS
from llamafactory.hparams import parser

def value(default):
    if default is dataclasses.MISSING: return None
    return default.value if isinstance(default, enum.Enum) else default

def keys(classes):
    return {f.name: value(f.default) for c in classes for f in dataclasses.fields(c) if f.init}

def slots(t):
    return ["".join("{%s}" % n for n in s) if isinstance(s, set) else s for s in t.format_assistant.slots]

def slot(item):
    if isinstance(item, dict): return ["token", item["token"]]
    return item if isinstance(item, str) else sorted(item)

FORMATS = ("prefix", "system", "user", "assistant", "observation", "function")

print("ANSWER" + json.dumps({
    "train": keys(parser._TRAIN_ARGS), "infer": keys(parser._INFER_ARGS),
    "templates": {n: {"reasoning": isinstance(t, ReasoningTemplate), "stop_words": t.stop_words,
        "default_system": t.default_system, "efficient_eos": t.efficient_eos, "replace_eos": t.replace_eos,
        "replace_jinja_template": t.replace_jinja_template,
        "end": "".join(s if isinstance(s, str) else "".join(s.values()) for s in slots(t)),
        "media": [m for m in ("image", "video", "audio") if getattr(t.mm_plugin, m + "_token")],
        "kind": type(t).__name__, "empty_thought": t.add_thought(),
        "slots": {f: [slot(s) for s in getattr(t, "format_" + f).slots] for f in FORMATS}}
        for n, t in TEMPLATES.items()},
    "models": {n: dict(m) for n, m in SUPPORTED_MODELS.items()},
    "defaults": dict(DEFAULT_TEMPLATE), "multimodal": sorted(MULTIMODAL_SUPPORTED_MODELS),
    "formats": sorted(DATASET_CONVERTERS),
}, default=str))
"""


@pytest.fixture(scope="module")
def real() -> Any:
    shown = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout
    return json.loads(shown.rpartition("ANSWER")[2])


def test_the_snapshot_equals_what_the_installed_source_says() -> None:
    pair = find_source("llamafactory"), find_source("transformers")
    assert pair[0] is not None
    assert pair[1] is not None
    read = snapshot_text(read_knowledge(*pair))
    assert read == SNAPSHOT.read_text(encoding="utf-8"), "python -m millhand.llamafactory.snapshot"


@pytest.mark.parametrize("command", ["train", "infer"])
def test_arguments_equal_the_dataclasses(real: Any, command: str) -> None:
    read = {
        name: None if isinstance(a.default, list) else a.default
        for name, a in shipped().keys(command).items()
        if not a.computed
    }
    ours = {name: value for name, value in real[command].items() if name in read}
    assert real[command].keys() - read.keys() <= {"optim"}
    assert read == ours


def test_templates_equal_the_registry(real: Any) -> None:
    assert shipped().templates.keys() == real["templates"].keys()
    for name, held in real["templates"].items():
        read = shipped().templates[name]
        end = held.pop("end").rpartition("{{content}}")[2]
        assert (name, read.end) == (name, end)
        formats = held.pop("slots")
        shown = {role: json.loads(json.dumps(read.slots(role))) for role in formats}
        assert (name, shown) == (name, formats)
        lists = {key: tuple(held[key]) for key in ("stop_words", "media")}
        assert {key: getattr(read, key) for key in held} == {**held, **lists}


def test_models_equal_the_registry(real: Any) -> None:
    read = shipped().models
    assert {name: m.repositories for name, m in read.items()} == real["models"]
    assert {name: m.template for name, m in read.items() if m.speaks} == real["defaults"]
    assert sorted(name for name, m in read.items() if m.multimodal) == real["multimodal"]
    assert list(shipped().entry.formats) == real["formats"]


def test_the_table_of_refusals_has_every_one_of_the_source() -> None:
    table = (CASES / "refusals.tsv").read_text(encoding="utf-8").splitlines()[1:]
    listed = {(file, int(line)) for file, line, *_ in (row.split("\t") for row in table)}
    source = find_source("llamafactory")
    assert source is not None
    there = {
        (file, node.lineno)
        for file in {file for file, _ in listed}
        for node in ast.walk(source.parse(file))
        if isinstance(node, ast.Raise | ast.Assert)
    }
    assert listed == there
