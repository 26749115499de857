"""A run on another machine, beside the same `llamafactory-cli train` typed there: seconds, interleaved.

    python -m benchmarks.remote_run [ROUNDS]

The machine is a loopback sshd with a workspace of its own; the model is the tiny one. First all of `millhand
train --pod` (check, connect, sync, train, verify, fetch) beside the trainer by hand; then the time from
`millhand attach` to its first line, of a run that trains. Needs an sshd (Debian: openssh-server) and the
training environment.
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

from tests.sshd import Sshd, running_sshd

from millhand.demo import spreadsheet

_TRAIN = {
    "model_name_or_path": "models/tiny", "stage": "sft", "do_train": True, "finetuning_type": "lora",
    "lora_rank": 8, "dataset_dir": "dataset_registry", "dataset": "bicycle", "template": "chatml",
    "cutoff_len": 128, "output_dir": "outputs/qa", "logging_steps": 1, "report_to": "none",
    "per_device_train_batch_size": 4, "learning_rate": 1e-3, "max_steps": 60, "use_cpu": True,
    "plot_loss": True, "preprocessing_num_workers": 1,
}  # fmt: skip


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch, running_sshd(Path(scratch) / "sshd") as sshd:
        workspace, there = Path(scratch) / "workspace", Path(scratch) / "there"
        _prepare(workspace, there, sshd)
        _millhand(workspace, "train", "qa", "--pod", "box")
        pairs = [(_by_hand(there, number), _by_millhand(workspace, number)) for number in range(rounds)]
        hand, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
        first = statistics.median(_attach(workspace, number) for number in range(rounds))
    print(f"llamafactory-cli by hand     {hand:6.2f} s   1.00x")
    print(
        f"millhand train --pod         {whole:6.2f} s   {whole / hand:.2f}x   {whole - hand:+.2f} s (goal: 3)"
    )
    print(f"attach, to the first line    {first:6.2f} s   (goal: 1)")


def _prepare(workspace: Path, there: Path, sshd: Sshd) -> None:
    subprocess.run(
        [sys.executable, "-m", "millhand", "init", str(workspace)], check=True, capture_output=True
    )
    _millhand(workspace, "data", "add", str(spreadsheet()), "--name", "bicycle")
    _millhand(workspace, "model", "init", "models/tiny", "--size", "tiny", "--from", "bicycle")
    folder = workspace / "llamafactory_configs/qa"
    folder.mkdir()
    _configure(workspace, 1)
    address = sshd.address
    text = f"kind: ssh\nhost: 127.0.0.1\nport: {address.port}\nuser: {address.user}\n"
    text += f"key: {address.key_files[0]}\nworkspace: {there}\npython: {sys.executable}\n"
    (workspace / "runpod/box.yaml").write_text(text)


def _configure(workspace: Path, seed: int, **changes: object) -> None:
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in {**_TRAIN, "seed": seed, **changes}.items()]
    (workspace / "llamafactory_configs/qa/train.yaml").write_text("".join(lines))


def _millhand(workspace: Path, *arguments: str) -> None:
    argv = [sys.executable, "-m", "millhand", *arguments]
    done = subprocess.run(argv, cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def _by_hand(there: Path, number: int) -> float:
    config = there / f"by-hand-{number}.yaml"
    values = {**_TRAIN, "seed": 100 + number, "output_dir": f"outputs/by-hand-{number}"}
    config.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()))
    began = time.monotonic()
    argv = [sys.executable, "-m", "llamafactory.cli", "train", config.name]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run(argv, cwd=there, env=env, capture_output=True, check=True)
    return time.monotonic() - began


def _by_millhand(workspace: Path, number: int) -> float:
    _configure(workspace, 100 + number)
    began = time.monotonic()
    _millhand(workspace, "train", "qa", "--pod", "box")
    return time.monotonic() - began


def _attach(workspace: Path, number: int) -> float:
    """Start a long run, leave it, and look again."""
    _configure(workspace, 500 + number, max_steps=400)
    argv = [sys.executable, "-m", "millhand"]
    _until([*argv, "train", "qa", "--pod", "box"], workspace, "step ")
    began = time.monotonic()
    _until([*argv, "attach", "qa"], workspace, "")
    took = time.monotonic() - began
    _millhand(workspace, "stop", "qa", "--grace", "0")
    return took


def _until(argv: list[str], workspace: Path, word: str) -> None:
    """Run until it prints a line with a word on stderr, then kill it."""
    client = subprocess.Popen(
        argv, cwd=workspace, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if client.stderr is not None:
        next((line for line in client.stderr if word in line), "")
    client.kill()
    client.communicate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
