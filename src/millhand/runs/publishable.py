"""Whether what a project would make could be published, as far as that is known before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millhand.errors import Finding, FindingsError
from millhand.hub.access import look
from millhand.hub.client import Hub
from millhand.hub.fetch import read_text
from millhand.hub.gates import check_licences
from millhand.hub.listing import CARD
from millhand.hub.target import Target
from millhand.runs.published import base_facts
from millhand.runs.published_data import config_data
from millhand.training.check import looks_local
from millhand.training.project import Project
from millhand.workspace import Workspace


def check_publishable(workspace: Workspace, project: Project, hub: Hub, target: Target) -> list[Finding]:
    """Find what a push would refuse however the training ends: token, name, licences of base and data.

    Raises:
        UsageError: The project has no train.yaml.
        FindingsError: It cannot be read.
        MillhandError: The Hub does not answer.
    """
    values = project.values("train")
    model = _model(workspace, values)
    base = base_facts(workspace, values, model, base_readme(hub, model))
    found = list(check_licences(base, config_data(workspace, values)))
    try:
        look(hub, target)
    except FindingsError as error:
        found += error.findings
    return found


def base_readme(hub: Hub, model: Mapping[str, Any]) -> str:
    """The card of a base on the Hub, which tells its licence; empty where it cannot be read.

    Args:
        model: What the ledger says of the base: ``hub`` and ``revision``, or ``files``.
    """
    if "hub" not in model:
        return ""
    try:
        return read_text(hub, str(model["hub"]), "model", str(model.get("revision", "main")), CARD)
    except FindingsError:  # no such card, or no right to it: the gate then says that nothing is known
        return ""


def _model(workspace: Workspace, values: Mapping[str, Any]) -> dict[str, Any]:
    name = str(values.get("model_name_or_path", ""))
    if looks_local(name) or (workspace.root / name).is_dir():
        return {}
    return {"hub": name, "revision": str(values.get("model_revision", "main"))}
