"""A config on the machine that it is meant for, and its model on the Hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from millhand.cli.check_pod import from_facts, machine_of
from millhand.llamafactory.yaml import parse_yaml
from millhand.runs.facts import Facts, PythonFacts
from millhand.runs.facts import Gpu as GpuFacts
from millhand.shell import Secret
from millhand.training.check.disk import checkpoints, named_parameters, to_write
from millhand.training.check.hub import ask
from millhand.training.check.machine import Gpu, Machine, capability_of
from millhand.training.check.preflight import Preflight, Report
from millhand.training.check.subject import Config
from millhand.training.project import open_project
from millhand.workspace import Workspace
from tests.cases import check as made
from tests.conftest import Millhand

L4 = Machine(
    name="the pod l4", cores=8, disk_gb=100, gpus=(Gpu("NVIDIA L4"),), packages={"flash_attn": "2.8"}
)
T4 = Machine(name="the pod t4", cores=4, disk_gb=100, gpus=(Gpu("Tesla T4"),), packages={"flash-attn": "2.8"})
CPU = Machine(name="this machine", cores=2, disk_gb=10, gpus=(), packages={"llamafactory": "0.9.5"})
UNKNOWN = Machine(name="somewhere")
HUB = {"model_name_or_path": "Qwen/Qwen2.5-7B-Instruct", "template": "qwen", "use_cpu": None}


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    return workspace


def look(workspace: Workspace, machine: Machine, change: dict[str, Any], purpose: str = "train") -> Report:
    made.write_project(workspace, purpose, made.changed(purpose, change))
    preflight = Preflight(workspace, machine=machine)
    preflight.settings = {}
    return preflight.check(["qa"])


@pytest.mark.parametrize(
    ("machine", "change", "found"),
    [
        (L4, {"bf16": True, "flash_attn": "fa2", "use_cpu": None, "dataloader_num_workers": 8}, []),
        (L4, {"dataloader_num_workers": 9}, [("pod.workers", "warning")]),
        (L4, {"preprocessing_num_workers": 16}, [("pod.workers", "warning")]),
        (L4, {"quantization_bit": 4}, [("pod.package", "error")]),
        (L4, {"quantization_bit": 8, "quantization_method": "eetq"}, [("pod.package", "error")]),
        (L4, {"use_unsloth": True}, [("pod.package", "error")]),
        (L4, {"enable_liger_kernel": True}, [("pod.package", "error")]),
        (L4, {"report_to": "wandb"}, [("pod.package", "error")]),
        (T4, {"bf16": True}, [("pod.bf16", "warning")]),
        (T4, {"fp8": True}, [("pod.fp8", "error")]),
        (T4, {"flash_attn": "fa2"}, [("pod.flash-attn", "error")]),
        (CPU, {"flash_attn": "fa2"}, [("pod.flash-attn", "warning")]),
        (CPU, {"use_cpu": None}, [("pod.no-gpu", "warning")]),
        (CPU, {"use_cpu": None, "bf16": True}, [("pod.no-gpu", "error")]),
        (CPU, {**HUB, "use_cpu": True}, [("pod.disk", "error")]),
        (CPU, {"deepspeed": {"zero_optimization": {"stage": 2}}}, [("pod.package", "error")]),
        (UNKNOWN, {"quantization_bit": 4, "bf16": True, "flash_attn": "fa2", "use_cpu": None}, []),
        (L4, {**HUB, "finetuning_type": "full", "save_steps": 1, "max_steps": 9}, [("pod.disk", "error")]),
        (L4, {**HUB, "save_steps": 1, "max_steps": 9}, []),
        (L4, {"dataloader_num_workers": "many"}, []),
    ],
)
def test_each_fault_on_a_machine_is_found(
    furnished: Workspace, machine: Machine, change: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    report = look(furnished, machine, change)
    ours = [f for f in report.findings if f.id.startswith("pod.")]
    assert [(f.id, f.severity) for f in ours] == found
    assert all(f.why and f.mend and f.file.endswith("train.yaml") for f in ours)


def test_a_run_is_held_against_its_machine(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"use_unsloth": True}))
    project = open_project(furnished, "qa")
    assert "pod.package" in [f.id for f in Preflight(furnished, machine=L4).training(project).findings]
    assert "pod.package" not in [f.id for f in Preflight(furnished).training(project).findings]


def test_chat_needs_its_backend(furnished: Workspace) -> None:
    report = look(furnished, L4, {"infer_backend": "vllm"}, purpose="chat")
    assert [f.file for f in report.findings if f.id == "pod.package"] == ["llamafactory_configs/qa/chat.yaml"]


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA L4", 8.9), ("NVIDIA L40S", 8.9), ("NVIDIA GeForce RTX 4090", 8.9), ("NVIDIA A40", 8.6),
        ("NVIDIA A100 80GB PCIe", 8.0), ("NVIDIA A100-SXM4-80GB", 8.0), ("NVIDIA H100 80GB HBM3", 9.0),
        ("NVIDIA H200", 9.0), ("NVIDIA B200", 10.0), ("NVIDIA GeForce RTX 5090", 12.0), ("Tesla T4", 7.5),
        ("Tesla V100-SXM2-16GB", 7.0), ("NVIDIA RTX A6000", 8.6), ("NVIDIA RTX 6000 Ada Generation", 8.9),
        ("NVIDIA GeForce RTX 3090", 8.6), ("Tesla P100-PCIE-16GB", 6.0), ("AMD Instinct MI300X OAM", None),
    ],
)  # fmt: skip
def test_a_gpus_generation_by_its_name(name: str, capability: float | None) -> None:
    assert capability_of(name) == capability


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 7), ("beomi/KoAlpaca-Polyglot-5.8B", 5.8), ("gpt2", 0),
        ("HuggingFaceTB/SmolLM2-135M", 0.135), ("meta-llama/Llama-3.2-1B", 1), ("Qwen/Qwen3-30B-A3B", 30),
        ("unsloth/Qwen3-8B-bnb-4bit", 8),
        ("LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct", 7.8),
    ],
)  # fmt: skip
def test_a_models_size_by_its_name(name: str, billions: float) -> None:
    assert named_parameters(name) == pytest.approx(billions * 1e9)


def config_of(root: Path, **values: Any) -> Config:
    from millhand.llamafactory.knowledge import shipped
    from millhand.llamafactory.yaml import dump_value

    text = "".join(f"{key}: {dump_value(value)}\n" for key, value in values.items())
    return Config("train", parse_yaml(text, "train.yaml"), shipped(), root)


@pytest.mark.parametrize(
    ("values", "rows", "count"),
    [
        ({"save_strategy": "no"}, 100, 0),
        ({"max_steps": 100, "save_steps": 10}, None, 10),
        ({"max_steps": 100, "save_steps": 10, "save_total_limit": 2}, None, 3),
        ({"max_steps": 100, "save_steps": 0.25}, None, 4),
        ({"save_strategy": "epoch", "num_train_epochs": 3.0}, None, 3),
        ({"num_train_epochs": 2.0, "per_device_train_batch_size": 2, "save_steps": 10}, 100, 10),
        ({}, None, 1),
    ],
)
def test_how_many_checkpoints_lie_there(
    tmp_path: Path, values: dict[str, Any], rows: int | None, count: int
) -> None:
    assert checkpoints(config_of(tmp_path, **values), rows, 1) == count


def test_what_a_full_training_writes(tmp_path: Path) -> None:
    values = {"model_name_or_path": "a/x-1B", "finetuning_type": "full", "max_steps": 4, "save_steps": 2}
    writes = to_write(config_of(tmp_path, **values), None, 1, None)
    assert writes is not None
    # fetched in 16 bits; two checkpoints of weights and two moments, and the weights at the end, in 32
    assert dict(writes.parts) == {
        "the model": 2.0,
        "2 checkpoints": 24.0,
        "the trained weights": 4.0,
        "the merged model": 0.0,
    }
    assert to_write(config_of(tmp_path, model_name_or_path="gpt2"), None, 1, None) is None


def test_a_model_on_this_machine_is_not_fetched_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    config = config_of(tmp_path, model_name_or_path="models/m", save_strategy="no")
    here, there = (to_write(config, None, 1, None, elsewhere=elsewhere) for elsewhere in (False, True))
    assert here is not None
    assert there is not None
    assert dict(here.parts)["the model"] == 0
    assert dict(there.parts)["the model"] == pytest.approx(0.002)


def test_a_pod_file_is_what_it_promises(furnished: Workspace) -> None:
    folder = furnished.root / "runpod"
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(
        "kind: runpod\ngpus: [NVIDIA L4, Tesla T4]\ncount: 2\nimage: a/b\nmax_usd_per_hour: 1\n"
        "min_vcpus_per_gpu: 4\n"
        "volume: {name: v, size_gb: 50}\nenvironment: locked.txt\n"
        "lease: {hours: 1, spend_usd: 1, idle_minutes: 5}\n"
    )
    (folder / "locked.txt").write_text(
        "torch==2.10.0 \\\n    --hash=sha256:00\nFlash.Attn==2.8 ; a == 'b'\n# x==1\n"
    )
    machine = machine_of(furnished, "small")
    assert (machine.cores, machine.disk_gb, machine.count, machine.rented) == (8, 50, 2, True)
    assert [gpu.generation for gpu in machine.gpus or ()] == [8.9, 7.5]
    assert machine.packages == {"torch": "2.10.0", "Flash.Attn": "2.8"}
    assert machine.has("flash-attn")
    assert not machine.has("unsloth")


def test_a_machine_that_was_looked_at() -> None:
    gpu = GpuFacts(name="X", memory_gb=24, compute_capability="8.9")
    facts = Facts(
        python=PythonFacts(version="3.12"), cores=8, disk_free_gb=9.5, gpus=(gpu,), packages={"a": "1"}
    )
    machine = from_facts("local", facts)
    assert (machine.name, machine.cores, machine.disk_gb) == ("this machine", 8, 9.5)
    assert machine.gpus == (Gpu("X", 24, 8.9),)
    assert machine.packages is None  # LLaMA-Factory is not in this environment: another one trains


def test_a_pod_is_named_on_the_command_line(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"preprocessing_num_workers": 9999}))
    result = millhand("check", "qa", "--pod", "local")
    assert "pod.workers" in result.stderr
    assert millhand("check", "qa", "--pod", "absent").exit_code == 2


class Hub(ThreadingHTTPServer):
    """A Hub that answers as it is told and notes who asked."""

    answer: tuple[int, str] = (200, "")
    asked: list[tuple[str, str]]


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.server.asked.append((self.path, self.headers.get("authorization", "")))
        status, word = self.server.answer
        self.send_response(status)
        if word:
            self.send_header("x-error-code", word)
        if status == 302:
            self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Answers)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "token", "found"),
    [
        ((200, ""), "", []),
        ((302, ""), "hf_planted", []),
        ((404, "EntryNotFound"), "", []),
        ((401, "GatedRepo"), "", [("model.gated", "error")]),
        ((403, "GatedRepo"), "hf_planted", [("model.gated", "error")]),
        ((401, "RepoNotFound"), "", [("model.not-there", "error")]),
        ((404, "RepoNotFound"), "hf_planted", [("model.not-there", "error")]),
        ((404, "RevisionNotFound"), "", [("model.not-there", "error")]),
        ((503, ""), "", [("model.gated", "note"), ("model.not-asked", "note")]),
    ],
)
def test_the_hub_is_asked(
    furnished: Workspace, hub: Hub, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str], token: str,
    found: list[tuple[str, str]],
) -> None:  # fmt: skip
    hub.answer = answer
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}/")
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_HOME", str(furnished.root / "cache"))
    model = {"model_name_or_path": "meta-llama/Llama-3.2-1B-Instruct", "template": "llama3"}
    made.write_project(furnished, "train", made.changed("train", model))
    report = Preflight(furnished, online=True).check(["qa"])
    assert [(f.id, f.severity) for f in report.findings if f.id.startswith("model.")] == found
    path = "/meta-llama/Llama-3.2-1B-Instruct/resolve/main/config.json"
    assert hub.asked == [(path, f"Bearer {token}" if token else "")]
    assert "hf_planted" not in str(report.findings)


def test_a_hub_that_is_not_reached_is_no_fault() -> None:
    assert ask("http://127.0.0.1:9", "a/b", "main", Secret("hf_planted")) == (0, "ConnectError")
