"""What would make a training run fail or do nothing, found before anything starts. Pure but for looking.

This is the part of the preflight that a run itself cannot do without; `millhand check` adds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from millhand.errors import Finding, UsageError
from millhand.training.effective import SECRET_KEYS
from millhand.training.project import Project
from millhand.workspace import MODELS, REGISTRY, Workspace

# huggingface_hub/utils/_validators.py: validate_repo_id.
_REPOSITORY = re.compile(r"(\b[\w\-.]{1,96}\b/)?\b[\w\-.]{1,96}\b", re.ASCII)


def check_train(workspace: Workspace, project: Project, values: Mapping[str, Any]) -> list[Finding]:
    """Find what keeps a train.yaml from working; an empty list where it may start."""
    file = workspace.relative(project.path("train"))
    return [
        *check_secrets(values, file),
        *_work(values, file),
        *_output(workspace, values, file),
        *_data(workspace, values, file),
    ]


def check_own(workspace: Workspace, project: Project, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what `millhand train` asks of a run beyond LLaMA-Factory: a folder of its own, the registry."""
    file = workspace.relative(project.path("train"))
    yield from _output(workspace, values, file)
    yield from _folder(workspace, values, file)


def check_secrets(values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Find access keys in a config: it is copied beside what the run makes, and published with it."""
    for key in sorted(SECRET_KEYS & values.keys()):
        why = "A config is copied beside the model and goes where the model goes."
        mend = f"Take {key} out of {file} and write `HF_TOKEN=…` into the workspace's .env."
        yield _error("secret", file, f"{key} stands in the file.", why, mend)


def train_datasets(values: Mapping[str, Any]) -> list[str]:
    """The datasets that a config trains on."""
    return _names(values.get("dataset"))


def eval_datasets(values: Mapping[str, Any]) -> list[str]:
    """The datasets that a config only evaluates on."""
    return [name for name in _names(values.get("eval_dataset")) if name not in train_datasets(values)]


def dataset_names(values: Mapping[str, Any]) -> list[str]:
    """All datasets of a config."""
    return [*train_datasets(values), *eval_datasets(values)]


def _names(given: Any) -> list[str]:
    """LLaMA-Factory takes a list, or names joined by commas."""
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    return list(dict.fromkeys(str(name).strip() for name in names if str(name).strip()))


def _error(name: str, file: str, message: str, why: str, mend: str) -> Finding:
    return Finding(id=f"train.{name}", severity="error", file=file, message=message, why=why, mend=mend)


def _work(values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    if values.get("do_train") is not True:
        why = "LLaMA-Factory would load the model, train nothing and end with exit code 0."
        yield _error(
            "no-do-train", file, "do_train is not true.", why, f"Add the line `do_train: true` to {file}."
        )
    if not isinstance(values.get("model_name_or_path"), str):
        why = "There is nothing to train."
        yield _error("no-model", file, "model_name_or_path is missing.", why, "Name a folder or a Hub model.")


def _output(workspace: Workspace, values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    given, mend = values.get("output_dir"), "Write `output_dir: outputs/NAME`."
    if not isinstance(given, str) or not given.strip():
        why = "LLaMA-Factory would write to a folder named by the date."
        yield _error("no-output-dir", file, "output_dir is missing.", why, mend)
        return
    path = (workspace.root / given).resolve()
    if given.startswith("~") or workspace.root.resolve().is_relative_to(path):
        why = "A run needs a folder of its own; LLaMA-Factory does not expand `~`."
        yield _error("output-dir", file, f"output_dir is {given!r}.", why, mend)
    elif path.exists() and not path.is_dir():
        yield _error("output-dir", file, f"output_dir {given!r} is a file.", "A run needs a folder.", mend)


def _folder(workspace: Workspace, values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    folder = str(values.get("dataset_dir", "data"))
    if (workspace.root / folder).resolve() != workspace.registry.resolve():
        why = f"LLaMA-Factory would {_registry_in(folder)}, which Millhand does not keep."
        yield _error(
            "dataset-dir", file, f"dataset_dir is {folder!r}.", why, f"Write `dataset_dir: {REGISTRY}`."
        )


def _registry_in(folder: str) -> str:
    """Where LLaMA-Factory learns what a dataset is (data/parser.py: get_dataset_list)."""
    if folder == "ONLINE":
        return "take the names of datasets for repositories of the Hub"
    if folder.startswith("REMOTE:"):
        return f"read dataset_info.json of {folder.removeprefix('REMOTE:')} on the Hub"
    return f"read {folder}/dataset_info.json"


def _data(workspace: Workspace, values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    # only a run asks the registry, and its modules are a quarter of what a check imports
    from millhand.datasets.registry import NotLocalError, Registry

    elsewhere = list(_folder(workspace, values, file))
    if elsewhere:
        yield from elsewhere
        return
    names = dataset_names(values)
    if not names:
        yield _error(
            "no-dataset", file, "dataset is missing.", "There is nothing to learn.", "Add `dataset: NAME`."
        )
    registry = Registry(workspace.registry)
    for name in names:
        try:
            registry.dataset(name)
        except NotLocalError:
            continue  # LLaMA-Factory fetches it from its hub
        except UsageError as error:
            yield _error("unknown-dataset", file, error.message, "Training would end at once.", error.mend)


def looks_local(model: str) -> bool:
    """Whether a model is named as a path rather than as ``owner/name`` on the Hub."""
    of_windows = "\\" in model or bool(re.match(r"[A-Za-z]:/", model))
    starts = (f"{MODELS}/", "outputs/", "./", "../", "/", "~")
    return of_windows or model.startswith(starts) or model.count("/") > 1


def could_be_on_the_hub(name: str) -> bool:
    """Whether a name is no path and the Hub's client would ask for it."""
    strange = looks_local(name) or "--" in name or ".." in name or name.endswith(".git")
    return not strange and bool(_REPOSITORY.fullmatch(name))


def is_folder(path: Path) -> bool:
    """Whether a folder is there; what can be no path is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long, or a null byte
        return False
