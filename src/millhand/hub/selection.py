"""Which files of a folder belong to what is published. Checkpoints, optimizers and logs never do."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from millhand.errors import Finding
from millhand.hub.gates import PICKLED
from millhand.hub.listing import CARD
from millhand.llamafactory.output_state import INDEX, weights_fault

_PARTS = (
    "*.safetensors", "*.safetensors.index.json", "*.gguf", "*.model", "config.json", "generation_config.json",
    "adapter_config.json", "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*",
    "merges.txt", "chat_template.*", "*processor_config.json", "Modelfile*", "millhand_run.json",
)  # fmt: skip
# Beside them: the code and the token list of a model that brings its own, licences, the curves.
_BESIDE = ("*.py", "*.tiktoken", "LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*", "training_*loss.png")
_QUANTIZED = ("*.gguf", "Modelfile.*")
# What a Trainer and LLaMA-Factory leave beside the weights; none of it is needed to use them.
_LEFT = (
    CARD, "trainer_state.json", "trainer_log.jsonl", "all_results.json", "train_results.json",
    "eval_results.json", "predict_results.json", "generated_predictions.jsonl", "training_args.*",
    "running_log.txt", "llamaboard_config.yaml", "optimizer.*", "scheduler.*", "scaler.*", "rng_state*.pth",
    "latest", "zero_to_fp32.py",
)  # fmt: skip


def model_paths(folder: Path) -> list[Path]:
    """The files of an adapter's or a merged model's folder that are published, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and is_model_file(path.name))


def is_model_file(name: str) -> bool:
    """Whether a file of that name is taken for a part of a model; what lies deeper in a repository is not."""
    if "/" in name or name.startswith(".") or any(fnmatch(name, pattern) for pattern in _LEFT):
        return False
    return any(fnmatch(name, pattern) for pattern in (*_PARTS, *_BESIDE))


def is_part(name: str) -> bool:
    """Whether a file on the Hub that is not ours would be loaded as a part of our model.

    An adapter's configuration beside a merged model makes transformers load both; a shard too many, or
    another tokenizer's file, confuses others. A person's own texts and pictures harm nobody and stay.
    """
    return "/" not in name and any(fnmatch(name, pattern) for pattern in _PARTS)


def is_part_of_merged(name: str) -> bool:
    """:func:`is_part` for a merged model: quantized files, made at another time, are not loaded with it."""
    return is_part(name) and not any(fnmatch(name, pattern) for pattern in _QUANTIZED)


def check_model(folder: Path, name: str) -> Iterator[Finding]:
    """Find what keeps a model's folder from being published: pickled weights, or no weights at all."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for pickled in names:
        left = any(fnmatch(pickled, pattern) for pattern in _LEFT)
        if Path(pickled).suffix.lower() in PICKLED and not left:
            yield Finding(
                id="hub.pickle",
                severity="error",
                file=f"{name}/{pickled}",
                message="It is a pickle, or may hold one.",
                why="Whoever loads it runs the code that is in it; only safetensors are published.",
                mend="Export again with `export_legacy_format: false`, or take it away.",
            )
    if not any(file.endswith((".safetensors", ".gguf")) for file in names):
        yield Finding(
            id="hub.no-weights",
            severity="error",
            file=name,
            message="There are no weights in it.",
            why="The repository would hold a card and a tokenizer.",
            mend="Train and export again; the folder was whole when it was verified.",
        )


def check_weights(folder: Path, name: str, mend: str) -> Iterator[Finding]:
    """Find whether weights that lie here are cut off, or not all there; quantized files are left out."""
    some = (folder / INDEX).is_file() or any(folder.glob("*.safetensors"))
    fault = weights_fault(folder) if some else ""
    if fault:
        yield Finding(
            id="hub.no-weights",
            severity="error",
            file=name,
            message=f"Its weights are not whole: {fault}.",
            why="Nobody could load what would be published, and whole files on the Hub would go for it.",
            mend=mend,
        )
