"""A million rows of Korean alpaca JSONL through the check, beside a bare orjson parse loop; a config alone.

Run: ``python -m benchmarks.check [ROWS]``. Both are measured in turns, each in a process of its own; the
figure is the median of the ratios.
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

from millhand.workspace import create_workspace

ROUNDS = 3
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
        pairs = [(_run(_LOOP, str(path)), _run(_CHECK, "check", "big", "--json")) for _ in range(ROUNDS)]
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores")
        print(f"orjson loop {statistics.median(a[0] for a, _ in pairs):.2f} s")
        print(f"millhand check {statistics.median(b[0] for _, b in pairs):.2f} s")
        print(f"speed (orjson loop = 1.00): {statistics.median(a[0] / b[0] for a, b in pairs):.2f}")
        print(f"memory of its largest process: {max(b[1] for _, b in pairs):.0f} MB")
        _config_alone(workspace.configs)


def _config_alone(configs: Path) -> None:
    (configs / "a").mkdir()
    (configs / "a" / "train.yaml").write_text(_CONFIG, encoding="utf-8")
    times = [_run(_CHECK, "check", "a", "--json", expected=3)[0] for _ in range(5)]
    print(f"a config alone, from a cold start: {statistics.median(times):.2f} s")


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
