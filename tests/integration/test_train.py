"""The real llamafactory-cli under `millhand train`: whole runs, broken runs, and LLaMA-Factory's traps."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Bench
from tests.patience import WITHIN_S

pytestmark = pytest.mark.real

# About 10 s of training: the trainer waits 3 s before it saves a checkpoint on request.
LONG = {"max_steps": 120, "save_steps": 20, "per_device_train_batch_size": 16}


def weights(bench: Bench, output: str = "outputs/qa") -> str:
    return hashlib.sha256((bench.root / output / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """Final step and weights of the long run when nothing happens to it."""
    root = tmp_path_factory.mktemp("undisturbed") / "workspace"
    shutil.copytree(template, root)
    bench = Bench(root)
    bench.configure(**LONG)
    bench.call("train", "qa")
    return bench.steps(), weights(bench)


def test_a_run_trains_evaluates_and_leaves_a_manifest_and_a_picture(bench: Bench) -> None:
    bench.configure(val_size=0.1, eval_strategy="steps", eval_steps=4, per_device_eval_batch_size=4)
    out, _ = bench.call("train", "qa")
    assert "steps           12 of 12" in out
    assert "loss curve      outputs/qa/training_loss.png" in out
    assert (bench.root / "outputs/qa/training_loss.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((bench.root / "outputs/qa/millhand_run.json").read_text())
    assert manifest["results"]["steps"] == 12
    assert manifest["results"]["eval_loss"] > 0
    assert (
        manifest["inputs"]["data"]["bicycle"]
        == hashlib.sha256((bench.root / "dataset_registry/bicycle/rows.jsonl").read_bytes()).hexdigest()
    )
    assert set(manifest["inputs"]["model"]["files"]) >= {"model.safetensors", "tokenizer.json", "config.json"}
    assert manifest["machine"]["packages"]["llamafactory"] == "0.9.5"
    assert manifest["seed"] == 42


def test_a_finished_run_is_found_done_and_not_a_byte_of_it_changes(bench: Bench) -> None:
    first = bench.answer("train", "qa")
    before = bench.files("outputs/qa")
    second = bench.answer("train", "qa")
    assert (first["again"], second["again"]) == (False, True)
    assert second["results"] == first["results"]
    assert bench.files("outputs/qa") == before
    assert json.loads((bench.root / "outputs/qa/all_results.json").read_text())["train_loss"] > 0


def test_changed_inputs_train_under_a_new_name_and_overwrite_nothing(bench: Bench) -> None:
    bench.call("train", "qa")
    before = bench.files("outputs/qa")
    bench.configure(max_steps=6, overwrite_output_dir=True)
    _, err = bench.call("train", "qa", "--resume", code=2)
    assert "max_steps: 12 -> 6" in err
    assert bench.answer("train", "qa")["output_dir"] == "outputs/qa-2"
    assert bench.files("outputs/qa") == before
    assert bench.steps("outputs/qa-2") == 6


def test_an_output_folder_that_somebody_else_filled_is_left_alone(bench: Bench) -> None:
    theirs = bench.root / "outputs" / "qa" / "adapter_model.safetensors"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    assert bench.answer("train", "qa")["output_dir"] == "outputs/qa-2"
    assert theirs.read_bytes() == b"precious"


def test_ctrl_c_saves_a_checkpoint_and_the_run_goes_on_from_it(
    bench: Bench, undisturbed: tuple[int, str]
) -> None:
    bench.configure(**LONG)
    client = bench.start("train", "qa")
    bench.wait_for_step(3)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 130, err
    assert "--resume" in err
    saved = [int(path.name.split("-")[1]) for path in (bench.root / "outputs/qa").glob("checkpoint-*")]
    assert saved
    assert max(saved) < 120
    resumed = bench.answer("train", "qa", "--resume")
    assert (bench.steps(), weights(bench)) == undisturbed
    assert resumed["results"]["steps"] == 120


def test_a_killed_client_leaves_a_trainer_that_the_next_one_follows(
    bench: Bench, undisturbed: tuple[int, str]
) -> None:
    bench.configure(**LONG)
    client = bench.start("train", "qa")
    bench.wait_for_step(2)
    trainer = bench.trainer()
    client.kill()
    client.communicate()
    _, err = bench.call("train", "qa")
    assert "is going on; following it" in err
    assert bench.trainer() == trainer
    assert (bench.steps(), weights(bench)) == undisturbed


def test_a_killed_trainer_is_reported_and_resumed(bench: Bench, undisturbed: tuple[int, str]) -> None:
    bench.configure(**LONG)
    client = bench.start("train", "qa")
    bench.wait_for_step(25)
    os.kill(bench.trainer(), signal.SIGKILL)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 1
    assert "of 120 with exit code -9" in err
    bench.call("train", "qa", "--resume")
    assert (bench.steps(), weights(bench)) == undisturbed
    steps = [line["current_steps"] for line in bench.log() if "loss" in line]
    assert len(steps) > len(set(steps)), "the log was to hold steps twice"
    curve = bench.answer("train", "qa")
    assert curve["results"]["steps"] == 120


def test_half_written_and_stale_checkpoints_are_set_aside(bench: Bench, undisturbed: tuple[int, str]) -> None:
    bench.configure(**LONG)
    client = bench.start("train", "qa")
    bench.wait_for_step(50)
    os.kill(bench.trainer(), signal.SIGKILL)
    client.communicate(timeout=WITHIN_S)
    output = bench.root / "outputs/qa"
    shutil.copytree(output / "checkpoint-20", output / "checkpoint-999")
    (output / "checkpoint-40" / "trainer_state.json").unlink()
    _, err = bench.call("train", "qa", "--resume")
    assert "Set aside checkpoint-40" in err
    assert "Set aside checkpoint-999" in err
    assert "Going on from step 20" in err
    assert (bench.steps(), weights(bench)) == undisturbed
    assert {path.name for path in output.glob("set-aside-*")} == {
        "set-aside-checkpoint-40",
        "set-aside-checkpoint-999",
    }


def test_two_clients_at_once_train_once(bench: Bench) -> None:
    clients = [bench.start("train", "qa", "--json") for _ in range(2)]
    answers = [json.loads(client.communicate(timeout=WITHIN_S)[0]) for client in clients]
    assert [client.returncode for client in clients] == [0, 0]
    assert {answer["run"] for answer in answers} == {"qa"}
    assert not (bench.root / "outputs/qa-2").exists()
    assert [line["current_steps"] for line in bench.log() if "loss" in line] == list(range(1, 13))


def test_a_run_whose_config_was_edited_meanwhile_is_not_lost(bench: Bench) -> None:
    bench.configure(**LONG)
    client = bench.start("train", "qa")
    bench.wait_for_step(30)
    os.kill(bench.trainer(), signal.SIGKILL)
    client.communicate(timeout=WITHIN_S)
    bench.configure(max_steps=4)
    _, err = bench.call("train", "qa", "--resume", code=2)
    assert "max_steps: 120 -> 4" in err
    assert bench.answer("train", "qa", "--run", "qa")["results"]["steps"] == 120
    _, err = bench.call("train", "qa", "--run", "absent", code=2)
    assert "There are: qa" in err


def test_a_run_that_ended_with_nobody_looking_is_verified_when_it_is_needed(bench: Bench) -> None:
    bench.configure(max_steps=30)
    client = bench.start("train", "qa")
    bench.wait_for_step(1)
    client.kill()
    client.communicate()
    bench.configure(max_steps=4)
    bench.wait(lambda: bench.answer("runs")[0]["state"] == "trained")
    assert not (bench.root / "outputs/qa/millhand_run.json").exists()
    assert bench.answer("export", "qa")["run"] == "qa"
    assert json.loads((bench.root / "outputs/qa/millhand_run.json").read_text())["results"]["steps"] == 30


def test_a_diverged_run_is_no_success(bench: Bench) -> None:
    bench.configure(learning_rate=1e30, max_steps=6, max_grad_norm=1e30)
    _, err = bench.call("train", "qa", code=1)
    assert "diverged" in err
    assert "learning_rate" in err
    merging = bench.start("export", "qa")
    merging.communicate(timeout=WITHIN_S)
    assert merging.returncode in (1, 2)  # its last step is broken, or it was ended before it came to it
    assert not (bench.root / "outputs/qa-merged").exists()


def test_a_token_in_a_config_is_refused_and_written_nowhere(bench: Bench) -> None:
    bench.configure(hf_hub_token="hf_planted_token")
    _, err = bench.call("train", "qa", code=3)
    assert "HF_TOKEN" in err
    bench.configure()
    (bench.root / ".env").write_text("HF_TOKEN=hf_planted_token\n")
    client = bench.start("train", "qa")
    bench.wait_for_step(1)
    assert "HF_TOKEN=hf_planted_token" in Path(f"/proc/{bench.trainer()}/environ").read_text().split("\0")
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    out, err = client.communicate(timeout=WITHIN_S)
    written = [p for p in bench.root.rglob("*") if p.is_file() and p.name != ".env"]
    assert not [p for p in written if b"hf_planted_token" in p.read_bytes()]
    assert not [text for text in [*arguments, out.encode(), err.encode()] if b"hf_planted_token" in text]


def test_without_do_train_nothing_starts_where_llamafactory_would_end_with_0_untrained(bench: Bench) -> None:
    bench.configure(do_train=None)
    _, err = bench.call("train", "qa", code=3)
    assert "do_train: true" in err
    assert not (bench.root / "outputs").exists()
    config = "llamafactory_configs/qa/train.yaml"
    bare = subprocess.run(
        [sys.executable, "-m", "llamafactory.cli", "train", config],
        cwd=bench.root,
        capture_output=True,
        check=False,
    )
    assert bare.returncode == 0, "the trap that this guards against is gone: the check may go too"
    assert not list((bench.root / "outputs" / "qa").glob("*.safetensors"))


def test_a_config_that_llamafactory_refuses_is_shown_with_its_reason(bench: Bench) -> None:
    # what a base's config.json holds is for transformers to read
    config = bench.root / "models" / "tiny" / "config.json"
    config.write_text(config.read_text().rstrip().removesuffix("}"))
    _, err = bench.call("train", "qa", code=1)
    assert "not a valid JSON file" in err
    assert "before its first step" in err


def test_what_the_check_finds_stops_a_run_before_it_starts(bench: Bench) -> None:
    bench.configure(evaluation_strategy="steps")
    rows = bench.root / "dataset_registry" / "bicycle" / "rows.jsonl"
    rows.write_text(rows.read_text() + "no row\n")
    _, err = bench.call("train", "qa", code=3)
    assert "config.renamed-key" in err
    assert "data.broken-row" in err
    assert "Nothing was started." in err
    assert not (bench.root / ".millhand" / "jobs").exists()


def test_a_warning_of_the_check_is_said_and_the_run_goes_on(bench: Bench) -> None:
    bench.configure(val_size=0.1, max_steps=2)
    _, err = bench.call("train", "qa")
    assert "[eval.val-unused]" in err


def test_torchrun_takes_paths_with_blanks_and_a_small_machine_gets_one_thread(
    bench: Bench, tmp_path: Path
) -> None:
    environment = tmp_path / "my environment"
    environment.symlink_to(sys.prefix, target_is_directory=True)
    python = str(environment / "bin" / "python")
    bench.configure(max_steps=40)
    client = bench.start("train", "qa", python=python, FORCE_TORCHRUN="1")
    bench.wait_for_step(1)
    environ = Path(f"/proc/{bench.trainer()}/environ").read_text().split("\0")
    assert ("OMP_NUM_THREADS=1" in environ) == ((os.cpu_count() or 1) <= 4)
    assert client.wait(timeout=WITHIN_S) == 0, client.communicate()
    assert bench.steps() == 40
