"""Rules of export, chat, api and webchat (parser.py: get_infer_args; tuner.py: export_model)."""

from __future__ import annotations

from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config


def _vllm(config: Config) -> bool:
    return config.purpose == "chat" and config.infer_backend == "vllm"


INFER = (
    Rule(
        "vllm.stage", ("stage", "infer_backend"), lambda c: _vllm(c) and c.stage != "sft",
        "vLLM serves models of stage: sft only.", "Take stage out.",
        "hparams/parser.py:546", "vLLM engine only supports auto-regressive models",
    ),
    Rule(
        "vllm.quantization", ("quantization_bit", "infer_backend"),
        lambda c: _vllm(c) and c.quantization_bit is not None,
        "vLLM does not quantize while it loads.", "Take quantization_bit out.",
        "hparams/parser.py:549", "vLLM engine does not support bnb quantization",
    ),
    Rule(
        "vllm.rope", ("rope_scaling", "infer_backend"), lambda c: _vllm(c) and c.rope_scaling is not None,
        "vLLM takes no rope_scaling.", "Take rope_scaling out.",
        "hparams/parser.py:552", "vLLM engine does not support RoPE scaling",
    ),
    Rule(
        "vllm.one-adapter", ("adapter_name_or_path", "infer_backend"),
        lambda c: _vllm(c) and len(c.names("adapter_name_or_path")) > 1,
        "vLLM takes one adapter.", "Merge the adapters first.",
        "hparams/parser.py:555", "vLLM only accepts a single adapter. Merge them first",
    ),
)  # fmt: skip

EXPORT = (
    Rule(
        "export.no-dir", ("export_dir",), lambda c: c.export_dir is None,
        "export_dir is missing.", "Add `export_dir: outputs/NAME-merged`.",
        "train/tuner.py:156", "Please specify `export_dir` to save model",
    ),
    Rule(
        "export.merge-and-quantize", ("export_quantization_bit", "adapter_name_or_path"),
        lambda c: c.adapter_name_or_path is not None and c.export_quantization_bit is not None,
        "Merging and quantizing are two exports.", "Merge first; then export the merged model quantized.",
        "train/tuner.py:159", "Please merge adapters before quantizing the model",
    ),
    Rule(
        "export.quantized-base", ("quantization_bit",),
        lambda c: c.quantization_bit is not None and c.adapter_name_or_path is not None,
        "The base must not be quantized when an adapter is merged.",
        "Take quantization_bit out of export.yaml.",
        "train/tuner.py:168", "Cannot merge adapters to a quantized model",
    ),
    Rule(
        "export.quantization-bits", ("export_quantization_bit",),
        lambda c: c.export_quantization_bit not in (None, 8, 4, 3, 2),
        "GPTQ quantizes to 2, 3, 4 or 8 bits.", "Write `export_quantization_bit: 4`.",
        "model/model_utils/quantization.py:134", "AutoGPTQ only accepts 2/3/4/8-bit quantization",
    ),
)  # fmt: skip
