"""A process that imports LLaMA-Factory once and says what it makes of one case after the other.

It runs in a workspace; each line of its standard input names a purpose and whether to train. It parses the
YAML, loads, converts and encodes the rows, and, where asked and nothing stopped it before, trains one step or
merges. An answer is a line of JSON behind ``ANSWER``.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import io
import json
import os
import re
import shutil
import signal
import sys
import traceback
from typing import Any

import numpy as np
import transformers
from datasets import load_dataset
from llamafactory.data import get_dataset
from llamafactory.data import template as templates
from llamafactory.extras.constants import FILEEXT2TYPE
from llamafactory.hparams import get_infer_args, get_train_args
from llamafactory.model import load_tokenizer
from llamafactory.train.tuner import export_model, run_exp
from omegaconf import OmegaConf

TIMEOUT_S = 60
# What this environment lacks decides nothing about a config.
ENVIRONMENT = re.compile(
    r"(requires|need|install|not available|not found on this|No module named|No package metadata|offline|"
    r"couldn't connect|Failed to load tokenizer|not a local folder|CUDA|GPU|BackendUnavailable|"
    r"Unable to build)",
    re.I,
)
PLAIN = copy.deepcopy(templates.TEMPLATES)


# Whatever it ends with is the answer.
EVERYTHING = (Exception,)


class LateError(Exception):
    """A case took too long."""


def late(*_: object) -> None:
    raise LateError


def judge(order: dict[str, Any]) -> dict[str, Any]:
    """What LLaMA-Factory makes of the project ``qa`` as it lies there."""
    templates.TEMPLATES.clear()
    templates.TEMPLATES.update(copy.deepcopy(PLAIN))
    shutil.rmtree("outputs/case", ignore_errors=True)
    signal.alarm(TIMEOUT_S)
    try:
        values = OmegaConf.to_container(OmegaConf.load(f"llamafactory_configs/qa/{order['purpose']}.yaml"))
        if order["purpose"] == "train":
            return trained(values, deep=order["deep"])
        return inferred(values, order["purpose"])
    except LateError:
        return {"verdict": "undecided", "why": "took too long"}
    except (SystemExit, *EVERYTHING) as error:
        text = f"{type(error).__name__}: {error}"
        kind = "undecided" if about_environment(error, text) else "refused"
        return {"verdict": kind, "why": text[:300], "where": traceback.format_exc()[-600:]}
    finally:
        signal.alarm(0)


def about_environment(error: BaseException, text: str) -> bool:
    kinds = (ImportError, importlib.metadata.PackageNotFoundError, ConnectionError)
    if "This device does not support" in text:
        return True
    return isinstance(error, kinds) or (
        isinstance(error, OSError | RuntimeError) and bool(ENVIRONMENT.search(text))
    )


def inferred(values: dict[str, Any], purpose: str) -> dict[str, Any]:
    if purpose == "export":
        shutil.rmtree("outputs/qa-merged", ignore_errors=True)
        export_model(dict(values))
        return {"verdict": "accepted"}
    from llamafactory.chat import ChatModel

    get_infer_args(dict(values))
    ChatModel(dict(values))
    return {"verdict": "accepted"}


def trained(values: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    model, data, training, finetuning, _ = get_train_args(copy.deepcopy(values))
    if not training.do_train and not training.do_eval and not training.do_predict:
        return {"verdict": "damaged", "why": "nothing is done"}
    module = load_tokenizer(model)
    template = templates.get_template_and_fix_tokenizer(module["tokenizer"], data)
    stage = {"dpo": "rm"}.get(finetuning.stage, finetuning.stage)
    np.random.seed(0)  # num_samples draws
    loaded = get_dataset(template, model, data, training, stage=stage, **module)
    harm = damage(loaded, data, stage, template, module["tokenizer"])
    if not harm and not data.packing and not data.streaming:
        data.cutoff_len, limit = 1 << 20, data.cutoff_len
        np.random.seed(0)
        whole = get_dataset(template, model, data, training, stage=stage, **module)
        harm = "" if tokens(whole) == tokens(loaded) else f"rows are cut to {limit} tokens"
    if deep:
        templates.TEMPLATES.clear()
        templates.TEMPLATES.update(copy.deepcopy(PLAIN))
        run_exp(copy.deepcopy(values))
        harm = harm or late_damage(values)
    return {"verdict": "damaged", "why": harm} if harm else {"verdict": "accepted"}


def tokens(loaded: Any) -> int:
    names = ("input_ids", "chosen_input_ids", "rejected_input_ids")
    parts = [part for part in loaded.values() if part is not None]
    return sum(
        len(row) for part in parts for name in names if name in part.column_names for row in part[name]
    )


def late_damage(values: dict[str, Any]) -> str:
    if values.get("quantization_bit") and values.get("quantization_method", "bnb") not in (
        "bnb",
        "hqq",
        "eetq",
    ):
        return "not quantized"
    return ""


def damage(loaded: Any, data: Any, stage: str, template: Any, tokenizer: Any) -> str:
    """What is wrong with the rows that came through; empty where nothing is."""
    if not all(str(entry.get("file_name")).endswith(".jsonl") for entry in entries(data)):
        single = all(os.path.splitext(str(entry.get("file_name")))[1] for entry in entries(data))
        return lost_rows(loaded, data, stage) if single else ""
    if any(entry.get("num_samples") for entry in entries(data)):
        return lost_rows(loaded, data, stage)
    mixed = data.mix_strategy != "concat" or data.packing or data.val_size or data.eval_dataset
    if data.streaming or stage != "sft" or mixed or data.max_samples:
        return lost_rows(loaded, data, stage)
    lost = lost_rows(loaded, data, stage)
    if lost:
        return lost
    for given, row in zip(source_rows(data), loaded["train_dataset"], strict=False):
        harm = row_damage(given, row, template, tokenizer)
        if harm:
            return harm
    return ""


def entries(data: Any) -> list[dict[str, Any]]:
    with open(f"{data.dataset_dir}/dataset_info.json") as file:
        info = json.load(file)
    return [info[name] for name in data.dataset or []]


def source_rows(data: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for entry in entries(data):
        path = os.path.join(data.dataset_dir, entry["file_name"])
        if not path.endswith(".jsonl"):
            kind = FILEEXT2TYPE[os.path.splitext(path)[1][1:]]
            rows += list(load_dataset(kind, data_files=[path], split="train"))
            continue
        with open(path) as file:
            rows += [json.loads(line) for line in file if line.strip()]
    return rows


def lost_rows(loaded: Any, data: Any, stage: str) -> str:
    if data.streaming or data.max_samples or data.packing or stage == "pt" or data.mix_strategy != "concat":
        return ""
    kept = len(loaded.get("train_dataset", [])) + (
        len(loaded.get("eval_dataset", [])) if data.val_size else 0
    )
    wanted = [entry.get("num_samples") for entry in entries(data)]
    rows = len(source_rows(data))
    if not all(wanted):
        return "" if kept == rows else f"{rows} rows, {kept} kept"
    return "" if kept == sum(wanted) <= rows else f"{wanted} of {rows} rows asked for, {kept} kept"


def row_damage(given: dict[str, Any], row: dict[str, Any], template: Any, tokenizer: Any) -> str:
    text = flat(tokenizer.decode(row["input_ids"]))
    labels = tokenizer.decode([t for t in row["labels"] if t != -100], skip_special_tokens=True)
    for word in (*template.stop_words, *template.thought_words):
        labels = labels.replace(word.strip(), "")
    if not labels.strip():
        return "an empty answer is trained"
    thinks = isinstance(template, templates.ReasoningTemplate) and template.enable_thinking is not False
    if thinks and not any(word.strip() in str(given) for word in template.thought_words):
        return "an empty thought is trained"
    for name in ("instruction", "input", "output", "history"):
        if isinstance(given.get(name), str) and flat(given[name]) not in text:
            return f"{name} is not trained on"
    if not any(given.get(name) for name in ("instruction", "input", "conversations", "messages")):
        return "nothing is asked"
    return "the system text was changed" if "detailed thinking" in text else ""


def flat(text: str) -> str:
    return "".join(text.split())


def main() -> None:
    transformers.logging.set_verbosity_error()
    signal.signal(signal.SIGALRM, late)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = judge(json.loads(line))
        out.write(f"ANSWER{json.dumps(answer, default=str)}\n")
        out.flush()


if __name__ == "__main__":
    main()
