"""What model_name_or_path names: a folder with a model, or a repository that the Hub could have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from millhand.errors import Finding
from millhand.text.normal import nearest
from millhand.training.check.base import base_of
from millhand.training.check.basics import could_be_on_the_hub, is_folder, looks_local
from millhand.training.check.subject import Config
from millhand.workspace import MODELS

_ADDRESS = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w\-.]+/[\w\-.]+)(?:[/?#].*)?", re.ASCII
)
# The Hub's first models have no owner; nobody can add another.
_OWNERLESS = re.compile(
    r"(distil|al|ro|xlm-ro|distilro|camem)?berta?-.*|(distil)?gpt2(-.*)?|openai-gpt|t5-.*|xl(m|net)-.*|"
    r"ctrl|transfo-xl-wt103"
)
# Of these LLaMA-Factory downloads from another hub, whose names are its own affair (extras/misc.py).
_OTHER_HUBS = ("USE_MODELSCOPE_HUB", "USE_OPENMIND_HUB")
_BASE, _ADAPTER = "model_name_or_path", "adapter_name_or_path"


def check_names(config: Config) -> Iterator[Finding]:
    """Find a base or an adapter whose name can lead nowhere."""
    for key, name in _names(config):
        if not name.strip():
            yield _blank(config, key)
        elif not is_folder(config.root / name):
            yield from _absent(config, key, name)
        elif config.purpose == "train":
            yield from _empty(config, name) if key == _BASE else _no_adapter(config, name)


def _names(config: Config) -> Iterator[tuple[str, str]]:
    base = None if _BASE in config.faulty else config.model_name_or_path
    if isinstance(base, str):
        yield _BASE, base
    for name in config.names(_ADAPTER) if _ADAPTER not in config.faulty else ():
        yield _ADAPTER, name


def _blank(config: Config, key: str) -> Finding:
    return config.finding(
        "model.name", "error", key, f"{key} holds an empty name.", "LLaMA-Factory looks for it and stops.",
        f"Take {key} out, or the comma too many." if key == _ADAPTER else "Name a folder, or owner/name.",
    )  # fmt: skip


def _empty(config: Config, name: str) -> Iterator[Finding]:
    folder = config.root / name
    if (folder / "config.json").is_file():
        return
    mend = f"Copy the model into {name}, or name its repository."
    if (folder / "adapter_config.json").is_file():
        mend = f"It holds an adapter: name its base here, and write `adapter_name_or_path: {name}`."
    elif any(folder.glob("*.gguf")):
        mend = "It holds GGUF, which is for inference; take the original model."
    yield config.finding(
        "model.no-config", "error", _BASE, f"{name} has no config.json.",
        "Transformers cannot tell what model this is, and LLaMA-Factory stops.", mend,
    )  # fmt: skip


def _no_adapter(config: Config, name: str) -> Iterator[Finding]:
    # with adapter_folder peft looks in that folder of it
    within = config.values.get("adapter_folder")
    if not within and not (config.root / name / "adapter_config.json").is_file():
        yield config.finding(
            "model.no-adapter", "error", _ADAPTER, f"{name} holds no adapter: it has no adapter_config.json.",
            "LLaMA-Factory stops: “Can't find 'adapter_config.json'”.",
            "Name the output_dir, or a checkpoint, of a run with `finetuning_type: lora`.",
        )  # fmt: skip


def _absent(config: Config, key: str, name: str) -> Iterator[Finding]:
    if "${" in name:
        yield config.finding(
            "model.interpolation", "error", key, f"{name} is taken as it stands.",
            "LLaMA-Factory fills in nothing in its YAML files; there is no such folder or model.",
            "Write the name itself.",
        )  # fmt: skip
    elif address := _ADDRESS.fullmatch(name):
        yield config.finding(
            "model.address", "error", key, f"{name} is an address.",
            "Transformers takes a folder or a name such as owner/name.", f"Write `{key}: {address[1]}`.",
        )  # fmt: skip
    elif looks_local(name):
        # what export and chat name may be yet to come: pair.py
        if config.purpose == "train":
            yield _no_folder(config, key, name)
    elif not any(config.switched_on(hub) for hub in _OTHER_HUBS) and base_of(config) is None:
        yield from _on_the_hub(config, key, name)


def _no_folder(config: Config, key: str, name: str) -> Finding:
    mend = "Correct the path."
    if name.startswith("~"):
        mend = "Write the folder's path without `~`, which LLaMA-Factory does not expand."
    elif "\\" in name or ":" in name:
        last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
        mend = f"Copy the folder to {MODELS}/ and write `{key}: {MODELS}/{last}`."
    elif key == _ADAPTER:
        mend = "Correct the path: an adapter is the output_dir of a run with `finetuning_type: lora`."
    elif name.startswith(f"{MODELS}/"):
        mend = f"Correct the path, or make it: `millhand model init {name} --size tiny --from DATASET`."
    why = "LLaMA-Factory would look for it on the Hub."
    return config.finding("train.no-model-folder", "error", key, f"There is no folder {name}.", why, mend)


def _on_the_hub(config: Config, key: str, name: str) -> Iterator[Finding]:
    if not could_be_on_the_hub(name):
        yield config.finding(
            "model.name", "error", key, f"{name!r} is no folder, and no name that the Hub could have.",
            "“Repo id must use alphanumeric chars, '-', '_' or '.'”: LLaMA-Factory stops.",
            "Write owner/name as the model's page has it, or the path of a folder.",
        )  # fmt: skip
    elif key == _BASE and name.casefold().endswith("-gguf"):
        yield config.finding(
            "model.gguf", "warning", key, f"{name} holds GGUF, by its name.",
            "LLaMA-Factory loads safetensors: such a repository has no weights that it could train.",
            f"Take the original model, {name[:-5]} or the one that its page names.",
        )  # fmt: skip
    elif key == _BASE and "/" not in name and not _OWNERLESS.fullmatch(name):
        yield _no_owner(config, name)


def _no_owner(config: Config, name: str) -> Finding:
    known = _by_last_name(config)
    whole = known.get(name.casefold())
    near = [known[last] for last in nearest(name, known)]
    mend = (
        f"Write `{_BASE}: {whole}`."
        if whole
        else " ".join(["Write owner/name.", *(f"Near it: {n}." for n in near)])
    )
    return config.finding(
        "model.no-owner", "error" if whole else "warning", _BASE,
        f"{name} names no owner, and is no folder.",
        "The Hub has its models as owner/name: the download ends with 404.", mend,
    )  # fmt: skip


def _by_last_name(config: Config) -> dict[str, str]:
    """The repositories that LLaMA-Factory knows on the Hub, by the name behind the owner."""
    found = (model.repositories.get("hf", "") for model in config.knowledge.models.values())
    return {path.rpartition("/")[2].casefold(): path for path in found if path}
