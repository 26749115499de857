"""The cases of the check: what is written, and what must be found. Also put to LLaMA-Factory itself."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from millhand.llamafactory.yaml import dump_value
from millhand.training.check.preflight import Preflight, Report
from millhand.workspace import Workspace

HERE = Path(__file__).parent
TRAIN: dict[str, Any] = {
    "model_name_or_path": "models/tiny",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_rank": 8,
    "lora_target": "all",
    "dataset_dir": "dataset_registry",
    "dataset": "bicycle",
    "template": "chatml",
    "cutoff_len": 256,
    "overwrite_cache": True,
    "output_dir": "outputs/qa",
    "logging_steps": 1,
    "save_steps": 4,
    "report_to": "none",
    "per_device_train_batch_size": 2,
    "learning_rate": 1e-3,
    "max_steps": 1,
    "use_cpu": True,
}
_MODEL = {"model_name_or_path": "models/tiny", "adapter_name_or_path": "outputs/qa", "template": "chatml"}
BASE: dict[str, dict[str, Any]] = {
    "train": TRAIN,
    "export": {**_MODEL, "finetuning_type": "lora", "export_dir": "outputs/qa-merged"},
    "chat": {**_MODEL, "finetuning_type": "lora", "max_new_tokens": 16},
}
_ROWS = [{"instruction": f"{n} 더하기 1은?", "input": "", "output": f"{n + 1}입니다."} for n in range(12)]
_PAIRS = [{"instruction": f"질문 {n}", "input": "", "chosen": "네.", "rejected": "아니요."} for n in range(6)]
_ALPACA = {"prompt": "instruction", "query": "input"}
DATASETS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "bicycle": ({"columns": {**_ALPACA, "response": "output"}}, _ROWS),
    "small": ({}, _ROWS[:4]),
    "pairs": ({"ranking": True, "columns": {**_ALPACA, "chosen": "chosen", "rejected": "rejected"}}, _PAIRS),
    "labels": (
        {"columns": {**_ALPACA, "response": "output", "kto_tag": "label"}},
        [{**row, "label": n % 2 == 0} for n, row in enumerate(_ROWS)],
    ),
}


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of a file: ``configs`` or ``rows``."""
    found: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def furnish(workspace: Workspace) -> None:
    """Lay the datasets, and folders for model and adapter where there are none."""
    info = {}
    for name, (entry, rows) in DATASETS.items():
        write_rows(workspace.registry / f"{name}.jsonl", rows)
        info[name] = {"file_name": f"{name}.jsonl", **entry}
    write_info(workspace, info)
    (workspace.registry / "images").mkdir(exist_ok=True)
    (workspace.registry / "images" / "사진.png").write_bytes(picture())
    for folder in ("models/tiny", "models/other", "models/vl"):
        path = workspace.root / folder
        path.mkdir(parents=True, exist_ok=True)
        if not any(path.iterdir()):
            write_base(path)
    (workspace.root / "models" / "vl" / "processor_config.json").touch()


def write_base(folder: Path, **changes: Any) -> None:
    """A model's files, its weights empty: a tokenizer of 256 bytes and the three tokens of ChatML."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    alphabet = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    vocab = {text: number for number, text in enumerate([*special, *alphabet])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    split = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": vocab[text], "content": text, **flags} for text in special],
        "pre_tokenizer": split, "decoder": split, "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }  # fmt: skip
    config = {"model_type": "qwen3", "vocab_size": len(vocab), "num_hidden_layers": 4, **changes}
    words = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    named = (("tokenizer.json", tokenizer), ("config.json", config), ("tokenizer_config.json", words))
    for name, content in named:
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    layer = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
    names = ("model.embed_tokens", *(f"model.layers.0.{name}" for name in layer))
    head = json.dumps({f"{name}.weight": empty for name in names}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)


def write_info(workspace: Workspace, info: dict[str, Any]) -> None:
    """Write dataset_info.json."""
    text = json.dumps(info, ensure_ascii=False, indent=2)
    (workspace.registry / "dataset_info.json").write_text(text, encoding="utf-8")


def write_rows(path: Path, rows: list[Any]) -> None:
    """Write rows, one a line."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def changed(purpose: str, change: dict[str, Any]) -> dict[str, Any]:
    """The base config of a purpose with a change; null takes a key out."""
    return {key: value for key, value in {**BASE[purpose], **change}.items() if value is not None}


def dataset_change(case: dict[str, Any]) -> dict[str, Any]:
    """What a train.yaml has that trains on the dataset ``case``; tools are described at length."""
    room = {} if case["stage"] == "pt" else {"cutoff_len": 1024}
    return {"dataset": "case", "stage": case["stage"], **room, **case.get("change", {})}


def write_case(workspace: Workspace, case: dict[str, Any], name: str = "case.jsonl") -> None:
    """Write the files and the entry of a dataset's case; ``name`` takes the place of case.jsonl."""
    entry = dict(case["entry"])
    for file, text in case.get("files", {}).items():
        path = workspace.registry / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode(case.get("encoding", "utf-8"), errors="replace"))
    write_rows(workspace.registry / name, case.get("rows", []))
    if entry.get("file_name") == "case.jsonl":
        entry["file_name"] = name
    write_info(workspace, {"case": entry})


def picture() -> bytes:
    """A PNG of 28 x 28 white points."""
    head = struct.pack(">IIBBBBB", 28, 28, 8, 2, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\xff" * 84) * 28)
    parts = ((b"IHDR", head), (b"IDAT", lines), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write_project(workspace: Workspace, purpose: str, values: dict[str, Any]) -> None:
    """Write the project ``qa``, with one of its files as given."""
    folder = workspace.configs / "qa"
    folder.mkdir(exist_ok=True)
    for name, base in {**BASE, purpose: values}.items():
        lines = [f"{key}: {dump_value(value)}\n" for key, value in base.items()]
        (folder / f"{name}.yaml").write_text("".join(lines), encoding="utf-8")


def check(workspace: Workspace, *targets: str, settings: dict[str, str] | None = None) -> Report:
    """Check the project ``qa``, or other targets."""
    preflight = Preflight(workspace)
    preflight.settings = settings or {}
    return preflight.check(targets or ("qa",))


def harmful(report: Report) -> list[str]:
    """The ids of errors and warnings."""
    return [finding.id for finding in report.findings if finding.severity != "note"]
