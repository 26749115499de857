"""What lies in a run's output folder: one standard-library file that also runs alone on a pod.

::

    python - OUTPUT_DIR [--set-aside] < output_state.py

It prints one JSON document (:func:`inspect`). LLaMA-Factory itself takes the ``checkpoint-N`` folder
with the highest N to resume from, whether it is whole, half-written or another run's; so this says which
ones are whole. With ``--set-aside`` the others are renamed out of its sight; nothing is deleted.

What a whole checkpoint holds: ``transformers`` 4.55-5.6, ``Trainer._save_checkpoint``; the mark of one in
progress: ``trainer_jit_checkpoint.py``.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
IN_PROGRESS = "checkpoint-is-incomplete.txt"
WEIGHTS = ("adapter_model.safetensors", "model.safetensors")
INDEX = "model.safetensors.index.json"
STATE = "trainer_state.json"
# What optimizer and scheduler become under DeepSpeed ("latest") and FSDP (folders).
OPTIMIZERS = ("optimizer.pt", "optimizer.bin", "latest", "optimizer_0")


def safetensors_fault(path: Path) -> str:
    """Say what is wrong with a safetensors file; empty when its length is what its header promises.

    Format: 8 bytes of little-endian header length, the JSON header, the data.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= path.stat().st_size else None
    except (OSError, ValueError) as error:
        return f"{path.name} cannot be read ({type(error).__name__})"
    if not isinstance(header, dict):
        return f"{path.name} is cut off"
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    promised = 8 + length + max(ends, default=0)
    return "" if ends and path.stat().st_size == promised else f"{path.name} is cut off"


def weights_fault(folder: Path) -> str:
    """Say what is wrong with a folder's weights; empty when they are all there."""
    names = [name for name in WEIGHTS if (folder / name).is_file()]
    if (folder / INDEX).is_file():
        try:
            names += sorted(
                set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
            )
        except (ValueError, KeyError, TypeError):
            return f"{INDEX} cannot be read"
    if not names:
        return "it holds no weights"
    faults = [safetensors_fault(folder / name) for name in names]
    return next((fault for fault in faults if fault), "")


def trainer_state(folder: Path) -> dict[str, Any]:
    """Read trainer_state.json; empty where there is none or it is half-written."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def checkpoint_fault(folder: Path, step: int, longest: int | None) -> str:
    """Say why a checkpoint cannot be resumed from; empty when it can.

    Args:
        folder: ``checkpoint-N``.
        step: N.
        longest: The last step of the run that the folder belongs to, where it is known: a checkpoint
            beyond it, or of a run of another length, is another run's.
    """
    state = trainer_state(folder)
    if (folder / IN_PROGRESS).exists():
        return "it was being written when the run ended"
    if state.get("global_step") != step:
        return f"{STATE} is missing, half-written or of another step"
    if longest is not None and (step > longest or state.get("max_steps") != longest):
        return f"it belongs to a run of {state.get('max_steps')} steps, not {longest}"
    if not any((folder / name).exists() for name in OPTIMIZERS):
        return "it holds no optimizer state"
    torch_files = [*folder.glob("*.pt"), *folder.glob("*.pth")]
    broken = [file.name for file in torch_files if not zipfile.is_zipfile(file)]
    return f"{broken[0]} is cut off" if broken else weights_fault(folder)


def run_length(folder: Path) -> int | None:
    """The number of steps of the run that last wrote in ``folder``, by the last line of its log."""
    try:
        lines = (folder / "trainer_log.jsonl").read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return int(json.loads(line)["total_steps"])
        except (ValueError, KeyError, TypeError):
            continue
    return None


def stopped_early(state: dict[str, Any]) -> bool:
    """Say whether early stopping ended the run on purpose."""
    callback = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback", {})
    patience = callback.get("args", {}).get("early_stopping_patience")
    counter = callback.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return patience is not None and counter >= patience


def inspect(folder: Path) -> dict[str, Any]:
    """Say what a run has left in ``folder``.

    Returns:
        ``empty``: nothing is there; ``step`` and ``max_steps``: of the final state, else None;
        ``finished``: the final weights are whole and training went to its end; ``fault``: what is wrong
        with the final weights; ``checkpoints``: name, step, fault of each, by step.
    """
    longest = run_length(folder)
    checkpoints = []
    for path in folder.glob("checkpoint-*"):
        match = CHECKPOINT.fullmatch(path.name)
        if match and path.is_dir():
            step = int(match[1])
            checkpoints.append(
                {"name": path.name, "step": step, "fault": checkpoint_fault(path, step, longest)}
            )
    state = trainer_state(folder)
    fault = weights_fault(folder)
    complete = bool(state) and (
        state.get("global_step", 0) >= state.get("max_steps", 1) or stopped_early(state)
    )
    return {
        "empty": not (folder.is_dir() and any(folder.iterdir())),
        "step": state.get("global_step"),
        "max_steps": state.get("max_steps"),
        "finished": complete and not fault,
        "fault": fault,
        "checkpoints": sorted(checkpoints, key=lambda checkpoint: checkpoint["step"]),
    }


def set_aside(folder: Path) -> None:
    """Rename what an unfinished run cannot go on from, so that LLaMA-Factory does not trip over it.

    Final weights without a whole checkpoint make it refuse the folder ("already exists and is not empty").
    """
    state = inspect(folder)
    faulty = [checkpoint for checkpoint in state["checkpoints"] if checkpoint["fault"]]
    for checkpoint in faulty:
        rename_aside(folder / checkpoint["name"])
    if not state["finished"] and len(faulty) == len(state["checkpoints"]):
        for weights in [path for path in folder.glob("*model*") if path.is_file()]:
            rename_aside(weights)


def rename_aside(path: Path) -> None:
    """Rename ``path`` to the first free ``set-aside-NAME[-2...]`` beside it."""
    number, target = 1, path.with_name(f"set-aside-{path.name}")
    while target.exists():
        number += 1
        target = path.with_name(f"set-aside-{path.name}-{number}")
    path.rename(target)


def main(arguments: list[str]) -> int:
    """Print what lies in the folder, as it is after ``--set-aside``; before it, under ``before``."""
    folder = Path(arguments[0])
    before = inspect(folder)
    if "--set-aside" in arguments[1:]:
        set_aside(folder)
    print(json.dumps({**inspect(folder), "before": before["checkpoints"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
