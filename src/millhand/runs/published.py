"""What is published of a run and of a dataset: their facts, gathered from ledger, manifest and registry."""

from __future__ import annotations

from millhand.datasets.registry import Registry
from millhand.hub.facts import Base, DatasetFacts, ModelFacts
from millhand.runs.ledger import Run
from millhand.workspace import Workspace


def model_facts(workspace: Workspace, run: Run, *, merged: bool = True, repository: str = "") -> ModelFacts:
    """The facts of what a finished run made: its merged model, or its adapter."""
    del workspace
    base = Base(name=str(run.facts["config"].get("model_name_or_path", "")))
    return ModelFacts(name=run.name, kind="model" if merged else "adapter", base=base, repository=repository)


def dataset_facts(workspace: Workspace, name: str, *, repository: str = "") -> DatasetFacts:
    """The facts of a dataset of the registry."""
    return DatasetFacts(name=Registry(workspace.registry).dataset(name).name, repository=repository)
