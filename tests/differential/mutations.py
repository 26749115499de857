"""Seeded mutations of valid configs and datasets."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from millhand.llamafactory.arguments import Argument
from millhand.llamafactory.knowledge import shipped
from tests.cases.check import cases

# Left out: what needs a GPU, a service, another package or many processes.
_APART = (
    "hub_", "push_to_hub", "ray_", "torch_compile", "fsdp", "deepspeed", "parallelism", "accelerator_config",
    "ddp_", "swanlab", "use_swanlab", "trackio", "project", "vllm", "sglang", "kt_", "use_kt", "use_unsloth",
    "galore", "use_galore", "apollo", "use_apollo", "badam", "use_badam", "use_mca", "use_hyper", "hyper_",
    "use_adam_mini", "mixture_of_depths", "enable_liger", "use_liger", "liger", "local_rank", "master_",
    "enable_torch_profiler", "profile", "full_determinism", "tf32", "fp8", "use_cpu", "hf_hub", "ms_hub",
    "om_hub", "export_", "infer_", "image_", "video_", "audio_", "crop_to", "use_audio", "use_muon",
    "model_name_or_path", "output_dir", "dataset_dir", "resume_from", "cache_dir", "adapter_name_or_path",
    "debug", "generation_config", "skip_memory", "trust_remote", "offload", "quantization_", "ddp", "optim",
)  # fmt: skip
# Where a type alone says too little of what is worth trying.
_SPECIAL: dict[str, tuple[Any, ...]] = {
    "dataset": ("small", "pairs", "labels", "bicycle,small", "absent", "bicycle,", ["bicycle", "small"]),
    "eval_dataset": ("small", "absent"),
    "template": ("default", "qwen3", "qwen3_nothink", "llama3", "bailing", "absent", "Chatml"),
    "val_size": (0.1, 1, 1.0, 3, 50, 0.0, -1),
    "max_steps": (1, 2, -1, 0),
    "report_to": ("none", ["none"], "nowhere"),
    "lora_target": ("all", "q_proj,v_proj", ["q_proj"], "absent"),
    "dataloader_num_workers": (0, 1),
    "preprocessing_num_workers": (1, 2),
    "num_train_epochs": (1, 2.0),
    "cutoff_len": (128, 64, "128"),
    "learning_rate": (1e-3, 1, "1e-3", 0),
    "warmup_ratio": (0.1, -0.5),
    "warmup_steps": (1, 0.1, -2),
}
_ODD: dict[str, list[Any]] = {
    "int": ["8", 2.5, "many", None, [4]],
    "float": ["0.1", "much", None, [0.1]],
    "bool": ["false", "maybe", 1, 0, None],
    "str": [7, 2.5, True, ["a"]],
}


def config_case(random: Random) -> dict[str, Any]:
    """A train.yaml with one or two changes, each valid or not."""
    known = shipped().keys("train")
    names = [name for name in known if not name.startswith(_APART)]
    change: dict[str, Any] = {}
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(names)
        if random.random() < 0.1:
            change[_slip(random, name)] = known[name].default or 1
        else:
            change[name] = random.choice(_SPECIAL[name]) if name in _SPECIAL else _value(random, known[name])
    return {"purpose": "train", "change": change}


def _slip(random: Random, name: str) -> str:
    at = random.randrange(len(name))
    return name[:at] + random.choice("xq") + name[at + 1 :]


def _value(random: Random, argument: Argument) -> Any:
    if argument.choices:
        wrong: list[Any] = [argument.choices[0].upper() + "x", 3, True]
        return random.choice([*argument.choices, *argument.choices, *wrong])
    kind = next((kind for kind in _ODD if kind in argument.type), "str")
    if random.random() < 0.4:
        return random.choice(_ODD[kind])
    default = argument.default
    fine: dict[str, list[Any]] = {
        "int": [1, 2, 16, default], "float": [0.5, 1, 0.0, default], "bool": [True, False], "str": [default]
    }  # fmt: skip
    return random.choice(fine[kind])


def dataset_case(random: Random) -> dict[str, Any]:
    """A valid dataset of the hand-written cases with up to three faults put into entry and rows."""
    case = copy.deepcopy(
        random.choice([c for c in cases("rows") if not c["found"] and c["stage"] != "pt" and c.get("rows")])
    )
    case["rows"] = [copy.deepcopy(random.choice(case["rows"])) for _ in range(random.randint(1, 5))]
    for _ in range(random.randint(0, 3)):
        random.choice((_mutate_row, _mutate_row, _mutate_row, _mutate_entry, _mutate_stage))(random, case)
    return case


def _mutate_stage(random: Random, case: dict[str, Any]) -> None:
    case["stage"] = random.choice(("sft", "rm", "dpo", "kto", "sft"))


def _mutate_row(random: Random, case: dict[str, Any]) -> None:
    row = random.choice(case["rows"])
    name = random.choice(list(row))
    if isinstance(row[name], list) and row[name] and random.random() < 0.8:
        _mutate_list(random, row[name])
        return
    value = random.choice((None, "", 5, "다른 글", True, ["a"], "DROP"))
    if value == "DROP":
        del row[name]
        if not row:
            row[name] = "글"
    else:
        row[name] = value


def _mutate_list(random: Random, items: list[Any]) -> None:
    kind = random.choice(("drop", "swap", "twice", "inside"))
    at = random.randrange(len(items))
    if kind == "drop":
        del items[at]
    elif kind == "swap":
        items.reverse()
    elif kind == "twice":
        items.insert(at, copy.deepcopy(items[at]))
    elif isinstance(items[at], dict):
        name = random.choice(list(items[at]))
        items[at][name] = random.choice((None, "", "stranger", "글"))


def _mutate_entry(random: Random, case: dict[str, Any]) -> None:
    entry = case["entry"]
    kind = random.choice(("column", "member", "ranking", "format", "tags", "samples"))
    if kind in ("column", "member") and entry.get("columns"):
        name = random.choice(list(entry["columns"]))
        if kind == "column":
            entry["columns"][name] = random.choice(("absent", "instruction", "input", "output"))
        else:
            del entry["columns"][name]
    elif kind == "ranking":
        entry["ranking"] = not entry.get("ranking", False)
    elif kind == "format":
        entry["formatting"] = random.choice(("alpaca", "sharegpt", "chat"))
    elif kind == "tags" and entry.get("tags"):
        name = random.choice(list(entry["tags"]))
        entry["tags"][name] = random.choice(("role", "stranger", "user"))
    elif kind == "samples":
        entry["num_samples"] = random.choice((1, 20))
