"""What a run reads: the paths that have to lie on the pod before it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from millhand.datasets import definition, info
from millhand.datasets.registry import NotLocalError, Registry
from millhand.errors import UsageError
from millhand.training.check import dataset_names
from millhand.training.effective import earlier_adapters
from millhand.workspace import Workspace

# Keys of LLaMA-Factory 0.9.5 and transformers 5.6 that may name a file or a folder that is read.
_PATHS = (
    "model_name_or_path", "ref_model", "ref_model_adapters", "reward_model", "reward_model_adapters",
    "deepspeed", "fsdp_config", "accelerator_config", "new_special_tokens_config", "tokenized_path",
    "kt_weight_path", "vllm_config", "sglang_config", "resume_from_checkpoint",
)  # fmt: skip
_MEDIA = ("images", "videos", "audios")


def input_paths(workspace: Workspace, values: Mapping[str, Any]) -> list[str]:
    """The workspace's files and folders that a config reads, relative to the root, each once.

    What lies on a hub is not among them: the pod fetches it from there, on a faster line.

    Raises:
        UsageError: The config reads something outside of the workspace, which cannot be brought.
    """
    paths = [*_named(workspace, values), *_data(workspace, values)]
    return list(dict.fromkeys(_inside(workspace, path) for path in paths))


def _named(workspace: Workspace, values: Mapping[str, Any]) -> Iterator[Path]:
    given = [values[key] for key in _PATHS if isinstance(values.get(key), str)]
    for name in [*given, *earlier_adapters(values)]:
        path = workspace.root / name
        if Path(name).is_absolute() and path.exists():
            raise UsageError(
                f"{name} is a place on this machine; on the pod it is another one.",
                mend="Name it in the config as it lies below the workspace, without the folders above.",
            )
        if path.exists():
            yield path


def _data(workspace: Workspace, values: Mapping[str, Any]) -> Iterator[Path]:
    names = dataset_names(values)
    if not names:
        return
    yield workspace.registry / info.FILE
    registry = Registry(workspace.registry)
    entries = registry.entries()
    for name in names:
        try:
            dataset = registry.dataset(name)
        except NotLocalError:
            continue
        yield dataset.rows_path
        if dataset.ours:
            yield dataset.rows_path.parent / definition.FILE
        if any(info.columns_of(entries[dataset.name]).get(kind) for kind in _MEDIA):
            # Rows name their pictures below media_dir, which is dataset_dir where it is not given.
            yield workspace.root / str(values.get("media_dir") or workspace.registry)


def _inside(workspace: Workspace, path: Path) -> str:
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        raise UsageError(
            f"{path} lies outside of the workspace, so the pod has none of it.",
            mend=f"Copy it below {workspace.root}, and name it from there.",
        )
    return Path(os.path.relpath(path, workspace.root)).as_posix()
