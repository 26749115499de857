"""export.yaml and chat.yaml beside train.yaml: do they speak of the same model?"""

from __future__ import annotations

from collections.abc import Iterator
from os.path import normpath

from millhand.errors import Finding
from millhand.training.check.basics import could_be_on_the_hub, is_folder
from millhand.training.check.subject import Config, FaultyValueError

_TOKENS = ("add_tokens", "add_special_tokens", "resize_vocab", "new_special_tokens_config")


def check_pair(config: Config, train: Config) -> Iterator[Finding]:
    """Find where export or chat would load something else than what was trained."""
    try:
        yield from _found(config, train)
    except FaultyValueError:
        return


def _found(config: Config, train: Config) -> Iterator[Finding]:
    adapter = config.adapter_name_or_path
    if adapter is not None:
        yield from _base(config, train)
        yield from _adapter(config, train, str(adapter))
    yield from _template(config, train)
    for key in _TOKENS:
        if getattr(train, key) and getattr(config, key) != getattr(train, key):
            yield config.finding(
                "infer.tokens-differ", "error", key, f"{key} is set in train.yaml and not the same here.",
                "The vocabulary of base and adapter differ: the merge fails.",
                f"Repeat `{key}: {getattr(train, key)}`.",
            )  # fmt: skip


def _template(config: Config, train: Config) -> Iterator[Finding]:
    trained = train.template
    # a slip of the pen in train.yaml is found there, and says nothing against this file
    if config.template == trained or (trained is not None and trained not in train.knowledge.templates):
        return
    mend = (
        f"Write `template: {trained}`." if trained else "Name it in train.yaml too, if it is the model's own."
    )
    yield config.finding(
        "infer.template-differs", "warning", "template",
        f"template is {config.template!r} here and {trained!r} in train.yaml.",
        "The model would be asked in a format that it was not trained on.", mend,
    )  # fmt: skip


def _base(config: Config, train: Config) -> Iterator[Finding]:
    trained = str(train.model_name_or_path)
    there = could_be_on_the_hub(trained) or is_folder(train.root / trained)
    if there and not _same(config, config.model_name_or_path, trained):
        yield config.finding(
            "infer.base-differs", "warning", "model_name_or_path",
            f"The base is {config.model_name_or_path} here and {train.model_name_or_path} in train.yaml.",
            "An adapter fits the base that it was trained on and no other.",
            f"Write `model_name_or_path: {train.model_name_or_path}`.",
        )  # fmt: skip


def _adapter(config: Config, train: Config, adapter: str) -> Iterator[Finding]:
    if train.finetuning_type not in ("lora", "oft"):
        yield config.finding(
            "infer.no-adapter", "error", "adapter_name_or_path",
            f"train.yaml trains no adapter (finetuning_type: {train.finetuning_type}).",
            "LLaMA-Factory would look for one and fail.",
            f"Take the line out and write `model_name_or_path: {train.output_dir}`.",
        )  # fmt: skip
    elif train.output_dir is not None and not any(
        _same(config, name, train.output_dir) for name in config.names("adapter_name_or_path")
    ):
        yield from _elsewhere(config, str(train.output_dir), adapter)


def _same(config: Config, one: object, other: object) -> bool:
    """Whether two names are of the same folder or repository, however they are spelt."""
    return normpath(config.root / str(one)) == normpath(config.root / str(other))


def _elsewhere(config: Config, output_dir: str, adapter: str) -> Iterator[Finding]:
    if not is_folder(config.root / adapter):
        yield config.finding(
            "infer.adapter-differs", "warning", "adapter_name_or_path",
            f"The adapter is {adapter} here, and train.yaml writes to {output_dir}.",
            "There is no such folder.", f"Write `adapter_name_or_path: {output_dir}`.",
        )  # fmt: skip
