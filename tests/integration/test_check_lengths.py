"""Lengths of rows and what is cut of them: the check's own count against LLaMA-Factory's processors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.llamafactory.knowledge import shipped
from millhand.training.check.base import Base
from millhand.training.check.judges import Use, make_judge
from millhand.training.check.lengths import Lengths, Ruler, infer_seqlen

pytestmark = pytest.mark.real

ASK = """
import copy, json, sys
from types import SimpleNamespace
from transformers import AutoTokenizer
from llamafactory.data import template as t
from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.parser import DatasetAttr
from llamafactory.data.processor import (FeedbackDatasetProcessor, PairwiseDatasetProcessor,
    SupervisedDatasetProcessor, UnsupervisedDatasetProcessor)
from llamafactory.data.processor.processor_utils import infer_seqlen
kinds = {"sft": SupervisedDatasetProcessor, "rm": PairwiseDatasetProcessor,
         "kto": FeedbackDatasetProcessor, "ppo": UnsupervisedDatasetProcessor}
plain, tokens = copy.deepcopy(t.TEMPLATES), {}
for line in sys.stdin:
    order = json.loads(line)
    if "pairs" in order:
        print("ANSWER" + json.dumps([infer_seqlen(*pair) for pair in order["pairs"]]), flush=True)
        continue
    t.TEMPLATES.clear()
    t.TEMPLATES.update(copy.deepcopy(plain))
    tokenizer = AutoTokenizer.from_pretrained(order["model"])
    data = SimpleNamespace(**{"train_on_prompt": False, "tool_format": None, "default_system": None,
        "packing": False, "enable_thinking": True, "preserve_thinking": False, "mask_history": False,
        "media_dir": ".", **order["data"]})
    template = t.get_template_and_fix_tokenizer(tokenizer, data)
    attr = DatasetAttr("file", "case"); attr.join(order["entry"])
    convert = get_dataset_converter(attr.formatting, attr, data)
    answers = []
    for cutoff in (10**6, *order["cutoffs"]):
        data.cutoff_len = cutoff
        processor = kinds[order["stage"]](template, tokenizer, None, data)
        lengths = []
        for row in order["rows"]:
            made = convert(copy.deepcopy(row))
            batch = {key: [value] for key, value in made.items()}
            out = processor.preprocess_dataset(batch)
            if order["stage"] == "rm":
                lengths.append([len(out["chosen_input_ids"][0]), len(out["rejected_input_ids"][0])])
            elif order["stage"] == "ppo":
                lengths.append([len(out["input_ids"][0]) + len(out["labels"][0])])
            else:
                lengths.append([len(out["input_ids"][0])])
        answers.append(lengths)
    print("ANSWER" + json.dumps(answers), flush=True)
"""
TEXT = "도로에 물이 고여 통행이 어렵습니다. Please look at it.\n\n"
THOUGHT = "<think>\n생각해 보자.\n</think>\n\n"
SHAREGPT = {"formatting": "sharegpt", "columns": {"messages": "talk", "system": "system"}}
ALPACA = {"columns": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}}
PAIRS = {"ranking": True, "columns": {"prompt": "instruction", "chosen": "good", "rejected": "bad"}}
LABELS = {"columns": {"prompt": "instruction", "response": "output", "kto_tag": "label"}}


def talk(*turns: tuple[str, str], system: str = "") -> dict[str, Any]:
    return {"talk": [{"from": who, "value": text} for who, text in turns], "system": system}


ROWS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "sft": (
        ALPACA,
        [
            {"instruction": TEXT, "input": "네?", "output": TEXT * 3, "history": [["a", "b"], [TEXT, TEXT]]},
            {"instruction": TEXT * 9, "input": "", "output": THOUGHT + "답", "history": None},
            {"instruction": "q", "input": "", "output": "a", "history": []},
        ],
    ),
    "talk": (
        SHAREGPT,
        [
            talk(("human", TEXT), ("gpt", THOUGHT + TEXT), ("human", "또?"), ("gpt", TEXT * 4)),
            talk(("human", TEXT * 5), ("gpt", "네."), system="짧게 답하세요."),
        ],
    ),
    "rm": (PAIRS, [{"instruction": TEXT, "good": TEXT * 2, "bad": THOUGHT + "네"}]),
    "kto": (LABELS, [{"instruction": TEXT * 2, "output": TEXT, "label": True},
                     {"instruction": TEXT, "output": TEXT * 2, "label": False}]),
    "ppo": (ALPACA, [{"instruction": TEXT, "input": "", "output": TEXT, "history": []}]),
}  # fmt: skip
CUTOFFS = (10, 40, 90, 200)


class Real:
    """LLaMA-Factory's own processors, imported once."""

    def __init__(self) -> None:
        env = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "DISABLE_VERSION_CHECK": "1",
            "LLAMAFACTORY_VERBOSITY": "ERROR",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, **order: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("ANSWER"):
                return json.loads(line.removeprefix("ANSWER"))
        raise AssertionError("it ended")


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    made = Real()
    yield made
    made.process.kill()
    made.process.communicate()


def ruler(base: Base, data: dict[str, Any], stage: str, cutoff: int) -> Ruler:
    template = shipped().templates[data["template"]]
    end = () if template.replace_eos or base.token("eos_token") else ("<|endoftext|>",)
    lengths = Lengths(
        template, cutoff, base.tokenizer_file, bos=bool(base.token("bos_token")),
        added=(*end, *template.stop_words), thinks=data.get("enable_thinking", True),
        keeps_thought=data.get("preserve_thinking", False), mask_history=data.get("mask_history", False),
    )  # fmt: skip
    return Ruler(lengths, stage)


def compare(real: Real, folder: Path, data: dict[str, Any], name: str) -> None:
    """The tokens of every row, and at each limit whether something of it is cut."""
    entry, rows = ROWS[name]
    stage = "sft" if name == "talk" else name
    whole, *cut = real.ask(
        model=str(folder),
        data=data,
        entry={**entry, "file_name": "x"},
        rows=rows,
        stage=stage,
        cutoffs=CUTOFFS,
    )
    judge = make_judge(entry, Use(stage))
    dialogues = [judge.rendered(row) for row in rows]
    ours = [ruler(Base(folder), data, stage, 10**6)._cut(one) for one in dialogues]
    assert [(tokens, lost) for lost, tokens in ours] == [(max(row), "") for row in whole], (data, name)
    for cutoff, lengths in zip(CUTOFFS, cut, strict=True):
        found = [bool(ruler(Base(folder), data, stage, cutoff)._cut(one)[0]) for one in dialogues]
        assert found == [a != b for a, b in zip(whole, lengths, strict=True)], (data, name, cutoff)


@pytest.mark.parametrize("name", ROWS)
def test_every_template_cuts_what_llamafactory_cuts(real: Real, template: Path, name: str) -> None:
    for known in sorted(name for name, one in shipped().templates.items() if not one.media):
        compare(real, template / "models" / "tiny", {"template": known}, name)


@pytest.mark.parametrize(
    "change",
    [
        {"enable_thinking": False},
        {"enable_thinking": None},
        {"preserve_thinking": True},
        {"mask_history": True},
        {"mask_history": True, "preserve_thinking": True},
    ],
)
def test_thoughts_and_history_count_as_they_do_there(
    real: Real, template: Path, change: dict[str, Any]
) -> None:
    for known in ("qwen3", "glm4_7", "chatml", "bailing", "gpt_oss"):
        for name in ROWS if not change.get("mask_history") else ("sft", "talk"):
            compare(real, template / "models" / "tiny", {"template": known, **change}, name)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000)), max_size=40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_rule_of_the_cut_is_the_same(real: Real, pairs: list[tuple[int, int, int]]) -> None:
    assert [list(infer_seqlen(*pair)) for pair in pairs if sum(pair[:2])] == real.ask(
        pairs=[pair for pair in pairs if sum(pair[:2])]
    )
