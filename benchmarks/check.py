"""A million rows of Korean alpaca JSONL through the check, beside a bare orjson parse loop; a config alone.

Run: ``python -m benchmarks.check [ROWS]``. All are measured in turns, each in a process of its own; the
figures are medians of ratios. *A dataset* is the plain check of its rows. *A training* is the check of a
config that trains on it, its rows held against cutoff_len: with 2048 no row can be too long by its bytes;
with 256 all may be, and a part of them is counted with a tokenizer (of single bytes; where `tokenizers` is
installed). *A config alone* is from a cold start, beside ``python -c pass``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from millhand.workspace import Workspace, create_workspace

ROUNDS = 3
Measured = tuple[float, float]
_LOOP = "import orjson, sys\nfor line in open(sys.argv[1], 'rb'): orjson.loads(line)"
_CHECK = "import sys; from millhand.cli.main import main; sys.exit(main(sys.argv[1:]))"
_CONFIG = """\
model_name_or_path: beomi/KoAlpaca-Polyglot-5.8B
stage: sft
do_train: true
finetuning_type: lora
dataset_dir: dataset_registry
dataset: none
template: alpaca
output_dir: outputs/a
"""


def main(rows: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, _ = create_workspace(Path(folder) / "ws")
        path = workspace.registry / "big.jsonl"
        _write(path, rows)
        (workspace.registry / "dataset_info.json").write_text('{"big": {"file_name": "big.jsonl"}}')
        os.chdir(workspace.root)
        for name, cutoff_len in (("short", 2048), ("long", 256)):
            _train(workspace, name, cutoff_len)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores")
        asked = {
            "a dataset": "big",
            "a training, cutoff_len 2048": "short",
            "a training, cutoff_len 256": "long",
        }
        rounds = [
            (
                _run(_LOOP, str(path)),
                {name: _run(_CHECK, "check", of, "--json") for name, of in asked.items()},
            )
            for _ in range(ROUNDS)
        ]
        print(f"orjson loop {statistics.median(loop[0] for loop, _ in rounds):.2f} s")
        for name in asked:
            _report(name, [(loop, checks[name]) for loop, checks in rounds])
        _config_alone(workspace.configs)


def _report(name: str, pairs: list[tuple[Measured, Measured]]) -> None:
    seconds = statistics.median(check[0] for _, check in pairs)
    speed = statistics.median(loop[0] / check[0] for loop, check in pairs)
    most = max(check[1] for _, check in pairs)
    print(f"{name}: {seconds:.2f} s, speed (orjson loop = 1.00) {speed:.2f}, largest process {most:.0f} MB")


def _train(workspace: Workspace, name: str, cutoff_len: int) -> None:
    """A project whose base is here, with a tokenizer of single bytes."""
    base = workspace.root / "models" / "bytes"
    base.mkdir(parents=True, exist_ok=True)
    alphabet = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    vocab = {text: number for number, text in enumerate(["<|im_start|>", "<|im_end|>", *alphabet])}
    split = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": split,
                 "model": {"type": "BPE", "vocab": vocab, "merges": []}}  # fmt: skip
    files = {"tokenizer.json": tokenizer, "config.json": {"model_type": "llama", "vocab_size": len(vocab)},
             "tokenizer_config.json": {"eos_token": "<|im_end|>"}}  # fmt: skip
    for file, content in files.items():
        (base / file).write_text(json.dumps(content), encoding="utf-8")
    text = _CONFIG.replace("beomi/KoAlpaca-Polyglot-5.8B", "models/bytes").replace("alpaca", "chatml")
    (workspace.configs / name).mkdir()
    path = workspace.configs / name / "train.yaml"
    path.write_text(text.replace("none", "big") + f"cutoff_len: {cutoff_len}\n", encoding="utf-8")


def _config_alone(configs: Path) -> None:
    (configs / "a").mkdir()
    (configs / "a" / "train.yaml").write_text(_CONFIG, encoding="utf-8")
    pairs = [(_seconds("pass"), _seconds(_CHECK, "check", "a", "--json", expected=3)) for _ in range(15)]
    bare, check = (statistics.median(times) for times in zip(*pairs, strict=True))
    times = statistics.median(b / a for a, b in pairs)
    print(
        f"a config alone, from a cold start: {check * 1000:.0f} ms;"
        f" python -c pass {bare * 1000:.0f} ms ({times:.1f} times)"
    )


def _seconds(code: str, *arguments: str, expected: int = 0) -> float:
    """The wall time of one process, with nothing around it."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL, check=False)
    took = time.perf_counter() - began
    if done.returncode != expected:
        raise SystemExit(f"it ended with {done.returncode}")
    return took


def _write(path: Path, rows: int) -> None:
    with path.open("wb") as file:
        for number in range(rows):
            row = {
                "instruction": f"{number}번 민원에 답하세요.",
                "input": f"도로 {number} 구간에 물이 고여 통행이 어렵습니다. " * 3,
                "output": f"접수 번호 {number}로 확인하였으며 담당 부서에서 현장을 점검하겠습니다. " * 7,
            }
            file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")


def _run(code: str, *arguments: str, expected: int = 0) -> tuple[float, float]:
    """Seconds, and MB of the largest process that took part."""
    measure = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-c', *sys.argv[1:]], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
        "sys.exit(done.returncode)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", measure, code, *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != expected:
        raise SystemExit(f"it ended with {done.returncode}")
    return time.monotonic() - began, float(done.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
