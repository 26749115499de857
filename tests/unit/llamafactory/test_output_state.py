"""What lies in an output folder, judged on folders made by hand in LLaMA-Factory's form."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from millhand.llamafactory import output_state


def safetensors(path: Path, size: int = 16, cut: int = 0) -> None:
    header = json.dumps(
        {"__metadata__": {}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, size]}}
    ).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(size)
    path.write_bytes(data[: len(data) - cut])


def torch_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", b"x" * 100)


def checkpoint(folder: Path, step: int, length: int = 60) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    safetensors(path / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch_file(path / name)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": length}))
    return path


def final(folder: Path, step: int, length: int = 60, **state: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    safetensors(folder / "adapter_model.safetensors")
    (folder / "trainer_state.json").write_text(
        json.dumps({"global_step": step, "max_steps": length, **state})
    )


def faults(folder: Path) -> dict[str, str]:
    return {c["name"]: c["fault"] for c in output_state.inspect(folder)["checkpoints"]}


def test_nothing_there(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        state = output_state.inspect(folder)
        assert (state["empty"], state["finished"], state["checkpoints"]) == (True, False, [])


def test_a_whole_checkpoint_has_no_fault_and_a_final_model_is_finished(tmp_path: Path) -> None:
    checkpoint(tmp_path, 40)
    checkpoint(tmp_path, 100, length=100)  # the log is not there: its length is not known, both may be right
    assert faults(tmp_path) == {"checkpoint-40": "", "checkpoint-100": ""}
    final(tmp_path, 60)
    assert output_state.inspect(tmp_path)["finished"] is True


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("trainer_state.json", "remove", "trainer_state.json is missing"),
        ("trainer_state.json", "cut", "half-written"),
        ("adapter_model.safetensors", "remove", "no weights"),
        ("adapter_model.safetensors", "cut", "adapter_model.safetensors is cut off"),
        ("optimizer.pt", "remove", "no optimizer state"),
        ("optimizer.pt", "cut", "optimizer.pt is cut off"),
        ("scheduler.pt", "cut", "scheduler.pt is cut off"),
        ("rng_state.pth", "cut", "rng_state.pth is cut off"),
        ("checkpoint-is-incomplete.txt", "add", "being written"),
    ],
)
def test_each_way_a_checkpoint_can_be_half_written(tmp_path: Path, name: str, damage: str, told: str) -> None:
    path = checkpoint(tmp_path, 40) / name
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_text("in progress")
    assert told in faults(tmp_path)["checkpoint-40"]


def test_every_length_of_a_cut_safetensors_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors(path)
    whole = path.read_bytes()
    assert output_state.safetensors_fault(path) == ""
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert output_state.safetensors_fault(path), length


def test_a_checkpoint_of_another_run_is_stale(tmp_path: Path) -> None:
    checkpoint(tmp_path, 40)
    checkpoint(tmp_path, 999, length=1200)
    log = tmp_path / "trainer_log.jsonl"
    log.write_text('{"current_steps": 41, "total_steps": 60}\n{"current_st')
    assert faults(tmp_path)["checkpoint-40"] == ""
    assert "run of 1200 steps, not 60" in faults(tmp_path)["checkpoint-999"]


def test_a_model_saved_on_request_is_not_finished_and_early_stopping_is(tmp_path: Path) -> None:
    final(tmp_path, 17)
    assert output_state.inspect(tmp_path)["finished"] is False
    callback = {"args": {"early_stopping_patience": 3}, "attributes": {"early_stopping_patience_counter": 3}}
    final(tmp_path, 17, stateful_callbacks={"EarlyStoppingCallback": callback})
    assert output_state.inspect(tmp_path)["finished"] is True


def test_shards_of_an_index_must_all_be_there(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    safetensors(tmp_path / "model-00001-of-00002.safetensors")
    assert "model-00002-of-00002.safetensors cannot be read" in output_state.weights_fault(tmp_path)
    safetensors(tmp_path / "model-00002-of-00002.safetensors")
    assert output_state.weights_fault(tmp_path) == ""


def test_setting_aside_deletes_nothing_and_leaves_only_what_can_be_resumed(tmp_path: Path) -> None:
    checkpoint(tmp_path, 20)
    (checkpoint(tmp_path, 40) / "optimizer.pt").unlink()
    (tmp_path / "set-aside-checkpoint-40").mkdir()
    before = sum(path.is_file() for path in tmp_path.rglob("*"))
    output_state.set_aside(tmp_path)
    assert faults(tmp_path) == {"checkpoint-20": ""}
    assert (tmp_path / "set-aside-checkpoint-40-2" / "trainer_state.json").exists()
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == before


def test_final_weights_without_a_checkpoint_are_set_aside_only_when_unfinished(tmp_path: Path) -> None:
    final(tmp_path, 17)
    output_state.set_aside(tmp_path)
    assert (tmp_path / "set-aside-adapter_model.safetensors").exists()
    final(tmp_path, 60)
    output_state.set_aside(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").exists()


def test_it_runs_alone_from_standard_input(tmp_path: Path) -> None:
    (checkpoint(tmp_path, 40) / "optimizer.pt").unlink()
    script = Path(output_state.__file__).read_bytes()
    argv = [sys.executable, "-I", "-S", "-", str(tmp_path), "--set-aside"]
    answer = json.loads(subprocess.run(argv, input=script, capture_output=True, check=True).stdout)
    assert answer["before"][0]["fault"] == "it holds no optimizer state"
    assert answer["checkpoints"] == []
