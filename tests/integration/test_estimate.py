"""The estimate beside the real thing, on a CPU: parameters, tensors, quantized bytes, tokens, steps, disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millhand.training.estimate.models import table
from millhand.training.estimate.shapes import read_shape
from tests.integration.conftest import Bench
from tests.unit.training.estimate.given import setup, shape

pytestmark = pytest.mark.real

_ONE_OF_EACH = (
    "Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B", "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-7B", "meta-llama/Llama-3.2-1B",
    "meta-llama/Meta-Llama-3-8B-Instruct", "google/gemma-2-2b", "google/gemma-3-1b-it",
    "EleutherAI/polyglot-ko-5.8b", "beomi/KoAlpaca-Polyglot-5.8B", "heegyu/kodialogpt-v1",
)  # fmt: skip
_ADAPTERS: list[dict[str, Any]] = [
    {},
    {"lora_rank": 64, "use_rslora": True},
    {"lora_target": "q_proj,down_proj", "use_dora": True},
    {"additional_target": "embed_tokens,lm_head"},
]
_FREEZES: list[dict[str, Any]] = [
    {"freeze_trainable_layers": 3},
    {"freeze_trainable_layers": -2, "freeze_trainable_modules": "mlp"},
    {"freeze_trainable_modules": "self_attn", "freeze_extra_modules": "lm_head"},
]


def asked(code: str, *arguments: str, cwd: Path | None = None) -> Any:
    """The JSON that a process with torch prints last; its libraries warn, which is none of our findings."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd or root, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


_PARAMETERS = """
import json, sys, torch
from transformers import AutoConfig, AutoModelForCausalLM
from millhand.training.estimate.models import table
found = {}
for name in json.loads(sys.argv[1]):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**table()[name].config))
    model.tie_weights()
    found[name] = sum({id(p): p.numel() for p in model.parameters()}.values())
print(json.dumps(found))
"""


def test_every_shipped_shape_has_the_parameters_of_the_real_model() -> None:
    """All but EXAONE's, whose code comes with the model: its maker's totals are compared elsewhere."""
    alike: dict[str, str] = {}
    for name, base in table().items():
        if base.config["model_type"] != "exaone":
            alike.setdefault(json.dumps(base.config, sort_keys=True), name)
    names = sorted(alike.values())
    found = asked(_PARAMETERS, json.dumps(names))
    assert found == {name: shape(name).parameters for name in names}


_TRAINED = """
import json, sys, torch
from transformers import AutoConfig, AutoModelForCausalLM
from llamafactory.hparams import FinetuningArguments, ModelArguments
from llamafactory.model.adapter import init_adapter
from millhand.training.estimate.models import table
found = []
for name, values in json.loads(sys.argv[1]):
    config = AutoConfig.for_model(**table()[name].config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        model.tie_weights()
        arguments = ModelArguments(model_name_or_path=name), FinetuningArguments(**values)
        model = init_adapter(config, model, *arguments, True)
    found.append(sum(p.numel() for p in model.parameters() if p.requires_grad))
print(json.dumps(found))
"""


def test_what_is_trained_is_what_llamafactory_trains() -> None:
    """LLaMA-Factory's own init_adapter, with peft, on models without memory."""
    from millhand.training.estimate.trainable import find_trainable

    cases = [(name, {"finetuning_type": "lora"}) for name in _ONE_OF_EACH if "gpt" not in name]
    cases += [("meta-llama/Llama-3.2-1B", {"finetuning_type": "lora", **values}) for values in _ADAPTERS]
    cases += [("Qwen/Qwen2.5-7B", {"finetuning_type": "freeze", **values}) for values in _FREEZES]
    cases += [("heegyu/kodialogpt-v1", {"finetuning_type": "lora", "lora_target": "c_attn,c_proj"})]
    cases += [("google/gemma-2-2b", {"finetuning_type": "full"})]
    found = asked(_TRAINED, json.dumps(cases))
    for (name, values), parameters in zip(cases, found, strict=True):
        assert find_trainable(shape(name), setup(**values)).parameters == parameters, (name, values)


_COUNT = """
import json, sys
from benchmarks.vram_cells import Cell, NO_MARGIN, predicted
from benchmarks.vram_count import count
found = []
for cell in json.loads(sys.argv[1]):
    found.append(predicted(Cell(*cell), NO_MARGIN).total / count(Cell(*cell)).allocated)
print(json.dumps(found))
"""


def test_the_peak_is_what_the_code_allocates() -> None:
    """Real shapes through a whole step with tensors without contents; the rest stands in docs/vram.md."""
    cells = [
        ("meta-llama/Llama-3.2-1B", "full", 1, 2048),
        ("meta-llama/Llama-3.2-1B", "lora, no checkpointing", 1, 2048),
        ("EleutherAI/polyglot-ko-5.8b", "lora", 1, 2048),
    ]
    for cell, ratio in zip(cells, asked(_COUNT, json.dumps(cells)), strict=True):
        assert 0.98 < ratio < 1.06, (cell, ratio)


def test_the_peak_of_made_up_models_is_not_too_low() -> None:
    from benchmarks.vram_cells import generated

    made = generated(8)
    cells = [(cell.model, cell.method, cell.batch, cell.length, cell.config) for cell in made]
    for cell, ratio in zip(made, asked(_COUNT, json.dumps(cells)), strict=True):
        assert 0.98 < ratio < 1.5, (cell, ratio)


_SAVED = """
import json, sys, torch
from transformers import AutoModelForCausalLM, LlamaConfig
sizes = dict(vocab_size=512, hidden_size=256, intermediate_size=1024, num_attention_heads=8)
config = LlamaConfig(num_hidden_layers=int(sys.argv[1]), num_key_value_heads=8, use_cache=False, **sizes)
model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
from llamafactory.hparams import FinetuningArguments, ModelArguments
from llamafactory.model.adapter import init_adapter
from llamafactory.model.model_utils.checkpointing import prepare_model_for_training
arguments = ModelArguments(model_name_or_path="x", disable_gradient_checkpointing=sys.argv[2] == "off")
prepare_model_for_training(model, arguments)
model = init_adapter(config, model, arguments, FinetuningArguments(), True)
model.train()
own = {p.untyped_storage().data_ptr() for p in model.parameters()}
kept = {}
def pack(tensor):
    storage = tensor.untyped_storage()
    if storage.data_ptr() not in own:
        kept[storage.data_ptr()] = storage.nbytes()
    return tensor
ids = torch.randint(0, 512, (2, 256))
with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=ids, labels=ids)["loss"]
print(json.dumps(sum(kept.values())))
"""


@pytest.mark.parametrize("checkpointing", ["on", "off"])
def test_a_layer_keeps_what_autograd_says_that_it_keeps(checkpointing: str) -> None:
    """Bytes that torch's own saved-tensor hooks see, of one layer: two models that differ by two layers."""
    from millhand.training.estimate.activations import checkpoint, find_precision, layer_saved
    from millhand.training.estimate.trainable import find_trainable

    config = {
        "model_type": "llama", "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 2,
        "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 512, "dtype": "bfloat16",
    }  # fmt: skip
    two, four = (asked(_SAVED, layers, checkpointing) for layers in ("2", "4"))
    measured = (four - two) / 2 / (2 * 256)
    tiny, made = read_shape(config, "tiny"), setup(disable_gradient_checkpointing=checkpointing == "off")
    trained = find_trainable(tiny, made)
    precision = find_precision(tiny, made, trained)
    each = checkpoint(tiny, made, precision)
    expected = layer_saved(tiny, made, trained, precision, 256) if checkpointing == "off" else each
    assert measured == pytest.approx(expected, rel=0.05)


_QUANTIZED = """
import json, torch, bitsandbytes as bnb
found = []
for double in (True, False):
    layer = bnb.nn.Linear4bit(1024, 4096, bias=False, quant_type="nf4", compress_statistics=double,
                              quant_storage=torch.bfloat16)
    layer.load_state_dict({"weight": torch.randn(4096, 1024)})
    layer.to("cpu")
    layer(torch.zeros(1, 1024))
    state = layer.weight.quant_state
    tensors = [layer.weight.data, state.absmax] + ([state.state2.absmax] if double else [])
    found.append(sum(t.numel() * t.element_size() for t in tensors) / (1024 * 4096))
print(json.dumps(found))
"""


def test_four_bits_take_what_bitsandbytes_takes() -> None:
    from millhand.training.estimate.memory import quantized_bytes

    expected = [
        quantized_bytes(setup(quantization_bit=4, double_quantization=double)) for double in (True, False)
    ]
    assert asked(_QUANTIZED) == pytest.approx(expected, rel=0.002)


_LENGTHS = """
import json, sys
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
import yaml
values = {**yaml.safe_load(open(sys.argv[1])), **json.loads(sys.argv[2])}
model, data, training, finetuning, _ = get_train_args(values)
tokenizer = load_tokenizer(model)
template = get_template_and_fix_tokenizer(tokenizer["tokenizer"], data)
found = get_dataset(template, model, data, training, stage=finetuning.stage, **tokenizer)
print(json.dumps(sorted(len(row["input_ids"]) for row in found["train_dataset"])))
"""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cutoff_len": 24},
        {"template": "qwen3", "cutoff_len": 64},
        {"template": "alpaca", "default_system": "너는 자전거 정비사다."},
        {"packing": True, "cutoff_len": 128},
    ],
)
def test_rows_have_the_tokens_that_llamafactory_gives_them(bench: Bench, changes: dict[str, Any]) -> None:
    bench.configure(**changes)
    config = bench.root / "llamafactory_configs" / "qa" / "train.yaml"
    real = asked(_LENGTHS, str(config), json.dumps(changes), cwd=bench.root)
    found = forecast_of(bench)
    (one,) = found["prospects"]
    assert found["tokens_from"] == "tokenizer"
    assert one["work"]["sequences"] == len(real)
    assert one["work"]["longest"] == -(-max(real) // 8) * 8
    if not changes.get("packing"):
        rounds = 12 / -(-len(real) // 4)
        assert one["work"]["tokens"] == pytest.approx(sum(real) * rounds, rel=1e-6)


def forecast_of(bench: Bench, code: int = 0) -> Any:
    (bench.root / "runpod").mkdir(exist_ok=True)
    pod = Path(__file__).parents[2] / "runpod" / "l4.yaml"
    (bench.root / "runpod" / "l4.yaml").write_text(pod.read_text(encoding="utf-8"), encoding="utf-8")
    return json.loads(bench.call("plan", "qa", "--pod", "l4", "--json", code=code)[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"max_steps": None, "num_train_epochs": 1.5, "per_device_train_batch_size": 16},
        {
            "max_steps": None, "num_train_epochs": 1.0, "val_size": 0.1, "gradient_accumulation_steps": 3,
            "eval_strategy": "steps", "eval_steps": 4, "packing": True, "cutoff_len": 96,
        },
    ],
)  # fmt: skip
def test_a_run_takes_the_steps_that_were_planned(bench: Bench, changes: dict[str, Any]) -> None:
    bench.configure(**changes)
    planned = forecast_of(bench)["prospects"][0]["work"]["steps"]
    bench.call("train", "qa")
    assert {line["total_steps"] for line in bench.log()} == {planned}


def test_a_checkpoint_is_as_large_as_planned(bench: Bench) -> None:
    disk = forecast_of(bench)["disk"]
    bench.call("train", "qa")
    weights = (bench.root / "outputs" / "qa" / "adapter_model.safetensors").stat().st_size
    kept = bench.root / "outputs" / "qa" / "checkpoint-4" / "optimizer.pt"
    tokenizer = 20e6
    assert weights == pytest.approx(disk["result"] - tokenizer, rel=0.1)
    assert kept.stat().st_size == pytest.approx(disk["checkpoint"] - disk["result"], rel=0.1)
    assert len(list((bench.root / "outputs" / "qa").glob("checkpoint-*"))) == disk["kept"]


_MEASURED = """
import json, shutil, sys
from pathlib import Path
from benchmarks import vram_gpu
from benchmarks.vram_cells import Cell
from llamafactory.train.tuner import run_exp
scratch = Path(sys.argv[1])
small = dict(num_hidden_layers=2, hidden_size=64, intermediate_size=128, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=2048)
vram_gpu.write_model(scratch / "model", "meta-llama/Llama-3.2-1B", **small)
vram_gpu.write_dataset(scratch / "data")
for method in ("lora", "qlora", "full"):
    cell = Cell("meta-llama/Llama-3.2-1B", method, 2, 128)
    shutil.rmtree(scratch / "out", ignore_errors=True)
    run_exp({**vram_gpu.settings(cell, scratch), "use_cpu": True})
state = json.loads((scratch / "out" / "trainer_state.json").read_text())
result = (scratch / "out" / "model.safetensors").stat().st_size
print(json.dumps([state["global_step"], state["log_history"][0]["loss"] > 0, result]))
"""


def test_the_benchmarks_trainings_run_and_are_as_long_as_they_say(tmp_path: Path) -> None:
    """The cells go through LLaMA-Factory's own run_exp; here on a CPU, with a small shape."""
    steps, learned, result = asked(_MEASURED, str(tmp_path))
    assert (steps, learned) == (3, True)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert result == pytest.approx(4 * read_shape(config, "small").parameters, rel=0.02), "saved in float32"
