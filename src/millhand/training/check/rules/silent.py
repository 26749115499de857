"""What LLaMA-Factory takes without a word and does otherwise than meant: warnings."""

from __future__ import annotations

import re

from millhand.llamafactory.models import templates_of
from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config

# Names of repositories whose licence must be accepted on the Hub before a download.
_GATED = ("meta-llama/", "google/gemma", "mistralai/", "CohereForAI/", "bigcode/starcoder")
_QUANTIZED = re.compile(r"(bnb-4bit|-(awq|gptq|fp8|int4|int8))(-|$)", re.I)


def _template_differs(config: Config) -> bool:
    known = templates_of(str(config.model_name_or_path), config.knowledge.models)
    with_variants = {*known, *(f"{name}_nothink" for name in known)}
    with_variants |= {name.removesuffix("_nothink") for name in known}
    return bool(known) and config.template is not None and config.template not in with_variants


def _own_template(config: Config) -> str:
    known = sorted(templates_of(str(config.model_name_or_path), config.knowledge.models))
    return f"Write {' or '.join(f'`template: {name}`' for name in known)}, unless another is meant."


def _end_token(config: Config) -> bool:
    template = config.knowledge.templates.get(config.template)
    path = str(config.model_name_or_path)
    base = [m for m in config.knowledge.models.values() if path in m.repositories.values() and not m.speaks]
    trained = config.names("additional_target")
    return bool(
        base and template and template.replace_eos and config.finetuning_type == "lora" and not trained
    )


def _gated(config: Config) -> bool:
    return str(config.model_name_or_path).startswith(_GATED) and not (
        config.settings.get("HF_TOKEN") or config.hf_hub_token
    )


SILENT = (
    Rule(
        "template.missing", ("template", "model_name_or_path"), lambda c: c.template is None,
        "template is not given.", "Name the model's own, as in `template: llama3`.", "data/template.py:627",
        why="The tokenizer's own chat template is guessed at; a base model gets none at all.",
        severity="warning",
    ),
    Rule(
        "template.differs", ("template",), _template_differs,
        "This is not the template that LLaMA-Factory has for this model.",
        _own_template, "extras/constants.py, DEFAULT_TEMPLATE",
        why="The model was taught another format: it learns worse, and may not stop.", severity="warning",
    ),
    Rule(
        "template.end-token", ("template",), _end_token,
        "This template changes the end token of a base model that was never taught it.",
        "Add `additional_target: embed_tokens,lm_head`, take `template: default`, or an instruct model.",
        "data/template.py:194",
        why="A LoRA leaves the embeddings as they are, so the model may never learn to stop.",
        severity="warning",
    ),
    Rule(
        "eval.val-unused", ("val_size",),
        lambda c: c.val_size > 1e-6 and c.eval_strategy == "no" and not c.do_eval and not c.do_predict,
        "val_size sets rows aside, and nothing evaluates on them.",
        "Add `eval_strategy: steps`, or take val_size out.", "data/data_utils.py:split_dataset",
        why="They are lost to training for nothing.", severity="warning",
    ),
    Rule(
        "train.overwrite-output-dir", ("overwrite_output_dir",), lambda c: c.overwrite_output_dir,
        "overwrite_output_dir empties nothing.",
        "Take the line out; empty the folder by hand where it is meant.",
        "hparams/parser.py:495",
        why="It skips the resume and deletes the log; old checkpoints stay, and a later resume takes them.",
        severity="warning",
    ),
    Rule(
        "unsloth.8-bit", ("quantization_bit", "use_unsloth"),
        lambda c: c.use_unsloth and c.quantization_bit == 8,
        "Unsloth quantizes to 4 bits only.", "Write `quantization_bit: 4`.", "model/model_utils/unsloth.py",
        why="With 8 it loads the model in 16 bits, which may not fit.", severity="warning",
    ),
    Rule(
        "data.twice", ("dataset",), lambda c: len(set(c.names("dataset"))) < len(c.names("dataset")),
        "A dataset is named twice.", "Name it once; num_samples in its entry repeats rows.",
        "data/loader.py:176",
        why="LLaMA-Factory takes one copy of it.", severity="warning",
    ),
    Rule(
        "model.gated", ("model_name_or_path",), _gated,
        "This model asks for its licence to be accepted, and there is no HF_TOKEN.",
        "Accept it on the model's page, then write HF_TOKEN=… into .env.", "Hugging Face Hub",
        why="The download would end with 401.", severity="note",
    ),
    Rule(
        "export.base-is-quantized", ("model_name_or_path",),
        lambda c: bool(_QUANTIZED.search(str(c.model_name_or_path))) and c.finetuning_type == "lora",
        "The base is a quantized copy, by its name.",
        "Train on the model's own repository with quantization_bit: 4.",
        "train/tuner.py:168",
        why="An adapter cannot be merged into it: “Cannot merge adapters to a quantized model”.",
        severity="warning",
    ),
    Rule(
        "method.quantized-by-name", ("finetuning_type", "model_name_or_path"),
        lambda c: bool(_QUANTIZED.search(str(c.model_name_or_path)))
        and c.finetuning_type in ("full", "freeze"),
        "The base is a quantized copy, by its name, and only adapters are trained on one.",
        "Write `finetuning_type: lora`, or train on the model's own repository.",
        "model/adapter.py:355",
        why="LLaMA-Factory stops: “Quantized models can only be used for the LoRA or OFT tuning”.",
        severity="warning",
    ),
    Rule(
        "train.generated-length", ("max_length",),
        lambda c: "max_length" in c.values and c.purpose == "train" and not c.predict_with_generate,
        "max_length is a length of generated text, and nothing is generated here.",
        "Rows are cut at cutoff_len: write `cutoff_len:` if that is meant, else take the line out.",
        "hparams/generating_args.py",
        why="It is taken without a word, and cutoff_len stays what it is.", severity="warning",
    ),
)  # fmt: skip
