"""A recipe to begin with: the usual steps, each with a word on what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from millhand.datasets.building.finding_files import files_of
from millhand.datasets.definition import FILE
from millhand.datasets.recipe import RecipeSource
from millhand.datasets.registry import Registry
from millhand.datasets.store import locked
from millhand.errors import FindingsError, UsageError
from millhand.files import write_text
from millhand.workspace import Workspace, check_name

_HEAD = """\
# In this order. What a step can be told, and what it does untold: millhand data steps NAME
# Build it: millhand data build {name}
steps:
  - normalise  # one form of Hangul, blanks and dates; no digit changes
  - filter     # too short, mostly signs, repetition, boilerplate; more if told: too long, not Korean
  - dedup      # exact and near duplicates
  - pii        # personal data
"""
_OF_ROWS = "  - split      # train, validation and test, with nothing related on both sides\n"
_OF_DOCUMENTS = """\
  - split: {by: section}  # whole chapters: train, validation and test, with nothing related on both sides
  - generate   # questions and answers of each section, without a model
"""


def new_recipe(
    workspace: Workspace,
    name: str,
    sources: Sequence[str],
    *,
    licence: str,
    description: str = "",
    mapping: Mapping[str, str] | None = None,
) -> Path:
    """Write ``dataset_registry/NAME/dataset.yaml``; say where it lies.

    Raises:
        UsageError: There is one already, or a source is not there.
        FindingsError: A source lies outside of the workspace.
    """
    path = workspace.registry / check_name(name, "dataset") / FILE
    _check_sources(workspace, sources)
    head: dict[str, Any] = {"name": name, "description": description, "licence": licence}
    head["sources"] = [{"path": source, **({"map": dict(mapping)} if mapping else {})} for source in sources]
    text = yaml.dump(head, sort_keys=False, allow_unicode=True, width=100) + _HEAD.format(name=name)
    with locked(workspace.registry):
        if name in Registry(workspace.registry).names():
            mend = "Take another name; `millhand data list` has those that are taken."
            raise UsageError(f"There is a dataset {name!r} already.", mend=mend)
        if path.exists():
            raise UsageError(
                f"There is {workspace.relative(path)} already.", mend="Edit it, or take another name."
            )
        write_text(path, text + (_OF_ROWS if mapping else _OF_DOCUMENTS))
    return path


def _check_sources(workspace: Workspace, sources: Sequence[str]) -> None:
    for source in sources:
        try:
            files = files_of(workspace.root, RecipeSource(source))
        except FindingsError as error:
            finding = error.findings[0]
            raise UsageError(f"{finding.message}.", mend=finding.mend) from error
        if not files:
            raise UsageError(f"There is no file {source} in the workspace.", mend="Copy it there first.")
