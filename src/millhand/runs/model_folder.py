"""A model that was made elsewhere and lies here with its manifest, as `millhand pull` brings it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from millhand.errors import UsageError
from millhand.runs.manifest import FILE_NAME
from millhand.runs.serve import Served
from millhand.text.normal import slug
from millhand.workspace import Workspace

_ADAPTER = "adapter_config.json"


def model_folder(workspace: Workspace, name: str) -> Path | None:
    """The folder of a model that ``name`` is a path to, from here or from the workspace; else None."""
    for path in (Path(name), workspace.root / name):
        if any((path / file).is_file() for file in ("config.json", _ADAPTER)):
            return path.resolve()
    return None


def choose_folder(workspace: Workspace, folder: Path) -> Served:
    """The model in ``folder``, with the template that its manifest says it was trained with.

    Raises:
        UsageError: It lies outside of the workspace, or has no manifest.
    """
    root = workspace.root.resolve()
    if not folder.is_relative_to(root):
        raise UsageError(f"{folder} lies outside of the workspace.", mend=f"Copy it below {root}.")
    shown = folder.relative_to(root).as_posix()
    facts = _manifest(folder, shown)
    values = {
        **_model(folder, shown, facts),
        "template": facts["config"]["template"],
        "infer_backend": "huggingface",
        "infer_dtype": facts.get("export", {}).get("dtype", "auto"),
        "max_new_tokens": 512,
    }
    return Served(slug(folder.name), values, f"model {shown}")


def _model(folder: Path, shown: str, facts: dict[str, Any]) -> dict[str, Any]:
    if (folder / _ADAPTER).is_file():
        return {"model_name_or_path": facts["config"]["model_name_or_path"], "adapter_name_or_path": shown}
    return {"model_name_or_path": shown}


def _manifest(folder: Path, shown: str) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        _ = facts["config"]["template"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        mend = "Write a chat.yaml that names it and its template: `llamafactory-cli chat chat.yaml`."
        raise UsageError(
            f"{shown} has no {FILE_NAME} that names a template: nothing says how to talk to it.", mend=mend
        ) from error
    return dict(facts)
