"""What a finding's id stands for, at length."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from millhand.training.check.faults import ROW_FAULTS
from millhand.training.check.other_ids import FAMILIES, OTHER_IDS
from millhand.training.check.rules import ALL

_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "config.unknown-key": "A key that neither LLaMA-Factory nor the transformers of the target knows. "
        "Which keys there are hangs on both versions; ALLOW_EXTRA_ARGS=1 makes it a warning.",
        "config.renamed-key": "A key has another name now, and LLaMA-Factory stops at the old one. `--fix` "
        "writes the new one.",
        "config.removed-key": "A key was taken away, and LLaMA-Factory stops at it. `--fix` takes the line "
        "out where nothing is lost.",
        "config.other-command": "A key of training stands in export.yaml or chat.yaml, whose commands "
        "refuse it. `--fix` takes the line out.",
        "config.choice": "A value is none of those that the key may have. LLaMA-Factory does not compare a "
        "YAML's values with them; another value fails after the model has been loaded, or does nothing.",
        "config.unquoted-no": "A word that YAML reads as true or false (no, off, yes, on) stands where "
        "text is due. `--fix` adds the quotes.",
        "config.type": "A value is of another type than the key's. LLaMA-Factory does not compare them, "
        "and fails later. `--fix` takes the quotes of a number or of true and false away.",
        "config.interpolation": "A value holds `${` without a name and its end, at which OmegaConf, which "
        "reads the file, stops.",
        "config.secret": "An access key stands in a YAML file, which is copied beside the model and "
        "published with it. Write it into .env, which is not in git.",
        "config.blank-in-path": "A path holds a blank where several processes are started: launcher.py "
        "joins the arguments of torchrun and splits them at blanks. Rename the folder.",
        "train.unknown-dataset": "dataset or eval_dataset names what dataset_info.json in dataset_dir does "
        "not have. `millhand data list` shows the names.",
        "train.no-model-folder": "model_name_or_path or adapter_name_or_path is a path, and no such folder "
        "is there. LLaMA-Factory takes it for a name on the Hub and stops.",
        "model.no-config": "The base's folder has no config.json, from which transformers takes what model "
        "it is. Copy the whole model there, or name its repository.",
        "model.no-adapter": "adapter_name_or_path names a folder without adapter_config.json, so peft finds "
        "no adapter in it. Name the output_dir, or a checkpoint, of a run with `finetuning_type: lora`.",
        "model.interpolation": "The base's name holds `${…}`. LLaMA-Factory reads its YAML with OmegaConf "
        "and fills in nothing (hparams/parser.py, read_args). Write the name itself.",
        "model.address": "The base is named by an address. A model is named as owner/name, without "
        "https://huggingface.co/ before it.",
        "model.name": "The base is no folder, and its name is none that the Hub's client asks for "
        "(huggingface_hub/utils/_validators.py, validate_repo_id). Write owner/name.",
        "model.gguf": "The base is a GGUF copy, by its name. GGUF is for llama.cpp and its like; "
        "LLaMA-Factory has no key to load it with. Take the original model.",
        "model.no-owner": "The base's name has no owner. Only the Hub's first models, such as gpt2, have "
        "none. Write owner/name.",
        "model.custom-code": "The base comes with Python code of its own: `auto_map` in config.json. It is "
        "run where transformers has no code for its model_type, and only with `trust_remote_code: true`.",
        "model.no-code": "`auto_map` in config.json names a Python file that does not lie beside it. Copy "
        "it from the model's repository.",
        "model.unknown-type": "transformers has no code for the model_type in config.json, and none comes "
        "with the base (models/auto/configuration_auto.py). Take another base.",
        "project.name": "A project's folder has a name that runs cannot have: letters (Hangul too), "
        "digits, `_`, `-` and `.` only. LLaMA-Factory itself takes any name; `millhand train` does not. "
        "Rename the folder.",
        "train.no-output-dir": "output_dir is missing. LLaMA-Factory would write to a folder named by the "
        "date; `millhand train` stops. Write `output_dir: outputs/NAME`.",
        "train.output-dir": "output_dir is the workspace itself, a folder above it, or a file. A run fills "
        "a folder of its own. Write `output_dir: outputs/NAME`.",
        "train.dataset-dir": "dataset_dir is not the workspace's registry, which is what `millhand train` "
        "sends to pods. Write `dataset_dir: dataset_registry`.",
        "train.secret": "An access key stands in train.yaml; `millhand train` refuses such a file. Write "
        "it into .env, which is not in git.",
        "train.resumes": "output_dir holds checkpoints, and `llamafactory-cli train` goes on from the "
        "newest by itself. Write another output_dir to start anew.",
        "train.output-full": "output_dir holds a finished model, and `llamafactory-cli train` refuses to "
        "write there. `millhand train` takes a new folder by itself.",
        "train.many-workers": "More processes are asked for than there are cores: they slow each other "
        "down and take memory.",
        "infer.base-differs": "export.yaml or chat.yaml puts the adapter on another base than train.yaml "
        "trains it on. An adapter is a difference to one base.",
        "infer.no-adapter": "export.yaml or chat.yaml names an adapter, and train.yaml trains none: full "
        "and freeze training write a whole model. Take adapter_name_or_path out.",
        "infer.adapter-differs": "export.yaml or chat.yaml names an adapter that is not there, and "
        "train.yaml writes to another folder. Name the output_dir of train.yaml.",
        "infer.template-differs": "export.yaml or chat.yaml has another template than train.yaml. The "
        "template is part of what was trained. Write the same one.",
        "infer.tokens-differ": "train.yaml adds tokens, and export.yaml or chat.yaml does not. New tokens "
        "make the vocabulary larger; it must be the same at the merge. Repeat the key.",
        "data.broken-registry": "dataset_info.json cannot be read, so no dataset is known. It is plain "
        "JSON: no comments, no trailing comma, no byte-order mark.",
        "data.broken-entry": "A member of an entry is not what LLaMA-Factory reads: `columns` and `tags` "
        "are objects of names, `ranking` is true or false, file_name is one name.",
        "data.formatting": "An entry has a `formatting` that there is not. It is alpaca, sharegpt or openai.",
        "data.openai-system": "The openai form adds to your system text: LLaMA-Factory writes “detailed "
        "thinking off” into that of rows without tools (OpenAIDatasetConverter, data/converter.py). Take "
        "the sharegpt form with tags.",
        "data.no-source": "An entry names no rows. It needs one of file_name, hf_hub_url, ms_hub_url, "
        "script_url, cloud_file_name.",
        "data.unknown-member": "An entry has a member that LLaMA-Factory does not read and passes over in "
        "silence: `format` in place of `formatting`, say.",
        "data.no-file": "file_name names no file or folder. It starts at the folder of dataset_info.json.",
        "data.file-kind": "A file's ending is none that LLaMA-Factory loads (extras/constants.py, "
        "FILEEXT2TYPE); it decides, in small letters.",
        "data.missing-column": "An entry maps a column that no row has. Every one must be in the data; "
        "without `columns` those are instruction, input and output.",
        "data.input-lost": "Rows have an input that the entry leaves out: giving `columns` sets every "
        'member that is not listed to null. Add `"query": "input"`.',
        "data.byte-order-mark": "The file begins with a byte-order mark, as editors on Windows write it; a "
        "JSON array may not. Save it as UTF-8 without one.",
        "data.mixed-types": "A column holds text in some rows and something else in others. A column has "
        "one type in Arrow, which refuses the file.",
        "data.repeated": "num_samples is more than there are rows, so some are drawn again.",
        "data.no-valid-rows": "No row comes through LLaMA-Factory's converter and processor: “Cannot find "
        "valid samples”. The other findings say why.",
        "data.no-thought": "The template is a reasoning one and the answers hold no thoughts: an empty "
        "thought is put before each, and trained. Take the template's `_nothink` form, or "
        "`enable_thinking: false`.",
        "data.too-little": "There is less text than fills a block. Pre-training drops what does not fill "
        "one of cutoff_len tokens.",
        "data.truncated": "Rows are longer than cutoff_len and lose the end of the answer, or of the "
        "question: both share it (infer_seqlen, data/processor/processor_utils.py). Rows are counted with "
        "the base's own tokenizer; of more than 8 MB of long rows, a part.",
        "data.length-unknown": "Rows may be longer than cutoff_len, and there is no tokenizer here to "
        "tell. A token has a byte at least, so rows of fewer bytes are certainly whole.",
        "template.vocabulary": "The template has words that the vocabulary has no room for. They are added "
        "as tokens where the tokenizer has none (data/template.py, fix_special_tokens); the embedding has "
        "a fixed number of rows.",
        "template.needs-processor": "The template is for pictures or sound, and the base has no processor, "
        "which is wanted for every row, also for those without pictures (data/mm_plugin.py).",
        "pod.package": "The pod lacks a package that LLaMA-Factory needs for this key and does not bring "
        "(hparams/parser.py, _check_extra_dependencies).",
        "pod.no-gpu": "bf16 or fp16 is asked for and there is no GPU, so transformers refuses it "
        "(transformers/training_args.py).",
        "pod.bf16": "bf16 is asked for on a GPU that does not compute in it: it came with Ampere, compute "
        "capability 8.0. Write `fp16: true`.",
        "pod.fp8": "fp8 is asked for on a GPU that does not compute in it: it came with Ada and Hopper, "
        "compute capability 8.9.",
        "pod.flash-attn": "FlashAttention-2 is asked for; it wants Ampere or newer and a package of its own.",
        "pod.workers": "More workers are asked for than the pod has cores; one more only takes memory.",
        "pod.disk": "What the run writes may not fit on the pod's disk. An estimate: weights by the size "
        "of the model, optimizer states, as many checkpoints as save_total_limit and save_steps leave, and "
        "the merged model.",
        "model.not-asked": "The Hub was asked for the model's config.json (--pod, --online) and did not "
        "answer, so whether it can be downloaded is not known.",
        "model.not-there": "The Hub was asked for the model's config.json (--pod, --online): there is no "
        "such model or revision, or it is private.",
        "data.split": "An entry asks for a split that files do not have: datasets makes one of them, train.",
        "data.script": "An entry names a loading script; these went away with datasets 4.0.",
        "data.elsewhere": "The rows lie on a hub or in a cloud, and are not fetched for a check: nothing "
        "is known of them.",
        "data.broken-file": "The file cannot be read as what its ending says.",
        "quantization.ignored": "quantization_bit does nothing: a base with a quantization_config is "
        "loaded as it is.",
        "quantization.of-the-base": "The base is quantized already (quantization_config in config.json), "
        "and a key does not go with that (model/model_utils/quantization.py, model/adapter.py).",
        "export.base-quantized": "An adapter would be merged into a quantized base (quantization_config in "
        "config.json), which LLaMA-Factory refuses (train/tuner.py:168). Name the original model.",
        "method.lora-target": "lora_target names modules that the model does not have. They are known from "
        "the weights on this machine, or from the table of shapes that `millhand plan` has.",
        "method.freeze-trainable-modules": "freeze_trainable_modules names what is no part of a layer "
        "(model/adapter.py:108).",
        "method.freeze-extra-modules": "freeze_extra_modules names what does not lie outside of the layers "
        "(model/adapter.py:118).",
        "method.llama-pro-layers": "freeze_trainable_layers does not divide the model's layers, among "
        "which LLaMA Pro spreads new ones evenly (model/adapter.py:82).",
        "model.other-form": "The base is the original form of a model that LLaMA-Factory takes only in "
        "Hugging Face's (model/patcher.py:350 and 356).",
        "export.quantize-chatglm": "export_quantization_bit is set for a ChatGLM, which GPTQ does not know "
        "(model/model_utils/quantization.py:141).",
        "data.num-samples": "num_samples of an entry is no number of rows (data/loader.py:153).",
        "data.cloud-path": "cloud_file_name names no place that LLaMA-Factory reads: s3:// or gs:// "
        "(data/data_utils.py:166).",
        "data.stage": "A ranking dataset is trained in another stage than rm and dpo, or another dataset "
        "in one of these.",
        "data.val-size": "val_size leaves no row to train on. From 1 it counts rows (1 is one row), below "
        "1 it is a part, rounded up; 1.0 is refused.",
    }
)


def explain(name: str) -> str:
    """What an id stands for; empty where there is none of that name."""
    if name in ALL:
        rule = ALL[name]
        mend = rule.mend if isinstance(rule.mend, str) else ""
        return "\n".join(part for part in (rule.message, rule.reason, mend, f"Source: {rule.source}") if part)
    if name in ROW_FAULTS:
        fault = ROW_FAULTS[name]
        return "\n".join((f"A row: {fault.message}.", fault.why, fault.mend, "Source: data/converter.py"))
    return _OTHERS.get(name) or OTHER_IDS.get(name) or _of_family(name)


def _of_family(name: str) -> str:
    found = (text for head, tail, text in FAMILIES if name.startswith(head) and name.endswith(tail))
    return next(found, "")


def names() -> list[str]:
    """All ids, in order."""
    return sorted({*ALL, *ROW_FAULTS, *_OTHERS, *OTHER_IDS})
