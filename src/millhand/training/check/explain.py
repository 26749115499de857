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
        "config.renamed-key": "A key that has another name now. `--fix` writes the new one.",
        "config.removed-key": "A key that was taken away. `--fix` takes the line out where nothing is lost.",
        "config.other-command": "Export, chat and api take no keys of training. `--fix` takes the line out.",
        "config.choice": "LLaMA-Factory does not compare a YAML's values with what is allowed; another value "
        "fails after the model has been loaded, or does nothing.",
        "config.unquoted-no": "YAML reads no, off and yes, on without quotes as false and true. "
        "`--fix` adds the quotes.",
        "config.type": "LLaMA-Factory does not compare a YAML's values with their types. `--fix` takes the "
        "quotes of a number or of true and false away.",
        "config.interpolation": "OmegaConf reads the file and knows `${name}`; LLaMA-Factory fills none in.",
        "config.secret": "Keys belong into .env, which is not in git.",
        "config.blank-in-path": "launcher.py joins the arguments of torchrun and splits them at blanks.",
        "train.unknown-dataset": "The name must be a key of dataset_info.json in dataset_dir.",
        "train.no-model-folder": "A path that is no folder is taken for a name on the Hub.",
        "model.no-config": "transformers takes the kind of a model from config.json in its folder.",
        "model.interpolation": "LLaMA-Factory reads its YAML with OmegaConf and resolves nothing in it "
        "(hparams/parser.py, read_args): `${…}` is a name like any other.",
        "model.address": "A model is named as owner/name, without https://huggingface.co/ before it.",
        "model.name": "What is no folder is asked for on the Hub; its client refuses names that cannot be "
        "(huggingface_hub/utils/_validators.py, validate_repo_id).",
        "model.gguf": "GGUF is for llama.cpp and its like. LLaMA-Factory has no key to load it with.",
        "model.no-owner": "Only the Hub's first models, such as gpt2, have no owner before their name.",
        "model.custom-code": "`auto_map` in config.json names Python files of the repository. They are "
        "run where transformers has no code for its model_type, and only with `trust_remote_code: true`.",
        "model.no-code": "`auto_map` in config.json names a file that must lie beside it.",
        "model.unknown-type": "`model_type` in config.json decides which of transformers' classes is loaded "
        "(models/auto/configuration_auto.py).",
        "project.name": "Runs are named by their project, so its folder is named by letters, digits, "
        "`_`, `-` and `.`. LLaMA-Factory itself takes any name.",
        "train.no-output-dir": "Without it LLaMA-Factory writes to a folder of its own choosing.",
        "train.output-dir": "The folder that a run fills must be one of its own within the workspace.",
        "train.dataset-dir": "`millhand train` reads the workspace's own registry.",
        "train.secret": "Keys belong into .env, which is not in git; `millhand train` refuses such a file.",
        "train.resumes": "LLaMA-Factory resumes from the newest checkpoint in output_dir by itself.",
        "train.output-full": "A finished model without checkpoints in output_dir is refused.",
        "train.many-workers": "More workers than cores slow each other down and take memory.",
        "infer.base-differs": "An adapter is a difference to one base.",
        "infer.no-adapter": "Full and freeze training write a whole model, not an adapter.",
        "infer.adapter-differs": "Export and chat name the folder that training writes to.",
        "infer.template-differs": "The template is part of what was trained.",
        "infer.tokens-differ": "New tokens make the vocabulary larger; it must be the same at the merge.",
        "data.broken-registry": "dataset_info.json is plain JSON: no comments, no trailing comma.",
        "data.broken-entry": "`columns` and `tags` are objects.",
        "data.formatting": "The key is `formatting`, its values alpaca, sharegpt and openai.",
        "data.openai-system": "OpenAIDatasetConverter, data/converter.py.",
        "data.no-source": "One of file_name, hf_hub_url, ms_hub_url, script_url, cloud_file_name.",
        "data.unknown-member": "Unknown members are ignored, `format` instead of `formatting` too.",
        "data.no-file": "file_name starts at the folder of dataset_info.json.",
        "data.file-kind": "extras/constants.py, FILEEXT2TYPE: the ending decides, in small letters.",
        "data.missing-column": "Every column that the entry maps must be in the data; without "
        "`columns` those are instruction, input and output.",
        "data.input-lost": "Giving `columns` sets every member that is not listed to null.",
        "data.byte-order-mark": "Editors on Windows write one; a JSON array may not start with it.",
        "data.mixed-types": "A column has one type in Arrow.",
        "data.repeated": "num_samples beyond the rows draws some of them again.",
        "data.no-valid-rows": "Each row is judged as LLaMA-Factory's converter and processor do.",
        "data.no-thought": "A reasoning template puts an empty thought before an answer that holds none.",
        "data.too-little": "Pre-training drops what does not fill a block of cutoff_len tokens.",
        "data.truncated": "A row is cut so that question and answer share cutoff_len (infer_seqlen, "
        "data/processor/processor_utils.py). Rows are counted with the base's own tokenizer; "
        "of more than 8 MB of long rows, a part.",
        "data.length-unknown": "A token has a byte at least, so rows of fewer bytes than cutoff_len are "
        "certainly whole; of the others only the tokenizer can tell.",
        "template.vocabulary": "The template's words are added as tokens where the tokenizer has none "
        "(data/template.py, fix_special_tokens); the embedding has a fixed number of rows.",
        "template.needs-processor": "A template for pictures or sound wants the model's processor for every "
        "row, also for those without pictures (data/mm_plugin.py).",
        "pod.package": "What LLaMA-Factory needs for this key and does not bring (hparams/parser.py, "
        "_check_extra_dependencies).",
        "pod.no-gpu": "bf16 and fp16 are refused without a GPU (transformers/training_args.py).",
        "pod.bf16": "bf16 came with Ampere, compute capability 8.0.",
        "pod.fp8": "fp8 came with Ada and Hopper, compute capability 8.9.",
        "pod.flash-attn": "FlashAttention-2 wants Ampere or newer and a package of its own.",
        "pod.workers": "A worker more than there are cores only takes memory.",
        "pod.disk": "An estimate: weights by the size of the model, optimizer states, as many "
        "checkpoints as save_total_limit and save_steps leave, and the merged model.",
        "model.not-asked": "With --pod or --online the Hub is asked for the model's config.json.",
        "model.not-there": "With --pod or --online the Hub is asked for the model's config.json.",
        "data.split": "datasets makes one split of files, train.",
        "data.script": "Loading scripts went away with datasets 4.0.",
        "data.elsewhere": "Rows on a hub or in a cloud are not fetched for a check.",
        "data.broken-file": "The file is not of the kind that its ending says.",
        "quantization.ignored": "A base with a quantization_config is loaded as it is.",
        "quantization.of-the-base": "config.json of the base has a quantization_config "
        "(model/model_utils/quantization.py, model/adapter.py).",
        "export.base-quantized": "config.json of the base has a quantization_config (train/tuner.py:168).",
        "method.lora-target": "The names of modules are those of the weights on this machine, or of the "
        "table of shapes that `millhand plan` has.",
        "method.freeze-trainable-modules": "The parts of a layer, as model/adapter.py:108 has them.",
        "method.freeze-extra-modules": "What lies outside of the layers, as model/adapter.py:118 has it.",
        "method.llama-pro-layers": "model/adapter.py:82; LLaMA Pro spreads new layers evenly.",
        "model.other-form": "model/patcher.py:350 and 356.",
        "export.quantize-chatglm": "model/model_utils/quantization.py:141.",
        "data.num-samples": "data/loader.py:153: a number of rows.",
        "data.cloud-path": "data/data_utils.py:166.",
        "data.stage": "Ranking data goes with rm and dpo only.",
        "data.val-size": "1 is one row, 1.0 is all of them, which is refused.",
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
