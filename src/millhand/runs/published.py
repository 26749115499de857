"""What is published of a run and of a dataset: their facts, gathered from ledger, manifest and registry.

Nothing here asks the network or a pod: all that is told lies in the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from millhand.errors import UsageError
from millhand.hub.base_card import with_card
from millhand.hub.facts import Base, Loss, ModelFacts, Spent
from millhand.hub.redact import clean_facts, machine_words
from millhand.llamafactory.log import FILE_NAME as LOG_NAME
from millhand.llamafactory.log import read_log
from millhand.runs import manifest
from millhand.runs.evaluations import evaluations_of
from millhand.runs.finished import EXPORTED, open_ledger
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodEntry, open_pod_ledger
from millhand.runs.published_data import dataset_facts, languages_of, run_data, system_of
from millhand.runs.spend import ran_hours, spent_usd
from millhand.training.check import looks_local
from millhand.training.initial_model import NOTE_FILE
from millhand.workspace import Workspace, parse_env

__all__ = [
    "base_facts",
    "curves",
    "dataset_facts",
    "is_of_run",
    "licence_files",
    "model_facts",
    "model_folder",
    "private_words",
]

_CURVES = ("training_loss.png", "training_eval_loss.png")
_LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_README = "README.md"
_SHORTEST_SECRET = 8
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|PWD|CREDENTIAL", re.I)


def model_facts(
    workspace: Workspace,
    run: Run,
    *,
    merged: bool = True,
    repository: str = "",
    base_readme: str = "",
    folder: Path | None = None,
) -> ModelFacts:
    """The facts of what a finished run made: its merged model, or its adapter.

    Args:
        merged: The merged model; else what lies in the run's own folder.
        repository: Where it goes, ``user/name``.
        base_readme: The base's README.md where it does not lie beside the base.
        folder: Where the model lies; by default where the ledger says.

    Raises:
        UsageError: There is no such model here.
    """
    folder = folder or model_folder(workspace, run, merged=merged)
    trained = manifest.read_manifest(workspace.root / run.output_dir / manifest.FILE_NAME)
    config, machine = trained.get("config") or run.facts["config"], trained.get("machine", {})
    exported = manifest.read_manifest(folder / manifest.FILE_NAME).get("export", {}) if merged else {}
    log = read_log([_bytes(workspace.root / run.output_dir / LOG_NAME)])
    data = run_data(workspace, run)
    facts = ModelFacts(
        name=run.name,
        kind="model" if merged or not _is_adapter(folder) else "adapter",
        repository=repository,
        base=base_facts(workspace, run.facts["config"], run.facts["model"], base_readme),
        data=data,
        stage=str(config.get("stage", "sft")),
        method=str(config.get("finetuning_type", "lora")),
        template=str(config.get("template") or ""),
        config=dict(config),
        export=dict(exported.get("values", {})),
        seed=trained.get("seed"),
        millhand=str(trained.get("millhand", "")),
        versions=dict(machine.get("packages", {})),
        python=str(machine.get("python", "")),
        platform=str(machine.get("platform", "")),
        gpus=tuple(machine.get("gpus", ())),
        training_s=log.training_s or None,
        spent=_spent(workspace, run),
        steps=trained.get("results", {}).get("steps"),
        losses=_losses(log.losses, log.eval_losses),
        curve=next((path.name for path in curves(workspace, run)), ""),
        evaluations=evaluations_of(workspace, run),
        cutoff_len=config.get("cutoff_len"),
        system=str(config.get("default_system") or system_of(workspace, run)),
        parameters=exported.get("parameters"),
        dtype=str(exported.get("dtype", "")),
        spoke=int(exported.get("tokens", 0)) > 0,
        trust_remote_code=config.get("trust_remote_code") is True,
        languages=languages_of(workspace, run),
        **_files(folder),
    )
    return clean_facts(facts, private_words(workspace))


def model_folder(workspace: Workspace, run: Run, *, merged: bool) -> Path:
    """Where what a run made lies: its last merged model, or its own folder.

    Raises:
        UsageError: It was not exported, or what it made is not here.
    """
    marks = [mark for mark in open_ledger(workspace).steps(run.name) if mark.name.startswith(EXPORTED)]
    done = sorted((mark.done_s, str(mark.facts["folder"])) for mark in marks if mark.done_s is not None)
    folders = [workspace.root / folder for _, folder in reversed(done)] if merged else []
    folders = folders if merged else [workspace.root / run.output_dir]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        what = "merged model" if merged else "weights"
        mend = (
            f"millhand export {run.project} --run {run.name}" if merged else f"millhand train {run.project}"
        )
        raise UsageError(f"Of run {run.name} there is no {what} here.", mend=f"Make it: `{mend}`.")
    return found


def is_of_run(folder: Path, run: Run) -> bool:
    """Whether a merged model's manifest names the run."""
    return manifest.read_manifest(folder / manifest.FILE_NAME).get("run") == run.name


def curves(workspace: Workspace, run: Run) -> list[Path]:
    """The pictures of the loss that LLaMA-Factory drew; a merged model's folder holds none."""
    return [path for name in _CURVES if (path := workspace.root / run.output_dir / name).is_file()]


def licence_files(workspace: Workspace, run: Run) -> list[Path]:
    """The texts that lie beside a base on this disk and go with what was made from it: LICENSE, NOTICE, …"""
    folder = workspace.root / str(run.facts["config"].get("model_name_or_path", ""))
    found = (path for pattern in _LICENCES for path in folder.glob(pattern) if path.is_file())
    return sorted(found) if "hub" not in run.facts["model"] else []


def private_words(workspace: Workspace) -> tuple[str, ...]:
    """What no card and no file may hold: folders of this machine, and the secrets of .env by their names."""
    path = workspace.root / ".env"
    settings = parse_env(path.read_text(encoding="utf-8-sig", errors="replace")) if path.is_file() else {}
    named = (value for name, value in settings.items() if _SECRET.search(name))
    secret = [value for value in named if len(value) >= _SHORTEST_SECRET]
    return (*machine_words(workspace.root), *sorted(secret, key=len, reverse=True))


def _is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file()


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def base_facts(
    workspace: Workspace, config: Mapping[str, Any], model: Mapping[str, Any], readme: str
) -> Base:
    """The base that a config names.

    Args:
        model: What the ledger says of it: ``hub`` and ``revision``, or the hash of each of its ``files``.
        readme: Its README.md where it does not lie beside it.
    """
    name = str(config.get("model_name_or_path", ""))
    if "hub" in model:
        base = Base(name=name, repository=name, revision=str(model.get("revision", "")))
        return with_card(base, readme)
    folder = workspace.root / name
    base = Base(name=name, made_here=(folder / NOTE_FILE).is_file(), files=dict(model.get("files", {})))
    said = readme or _bytes(folder / _README).decode("utf-8", errors="replace")
    return with_card(base, said) if looks_local(name) or folder.is_dir() else base


def _spent(workspace: Workspace, run: Run) -> Spent | None:
    """What the run's rented pods cost; None where it rented none."""
    pods = [entry for entry in open_pod_ledger(workspace).entries() if entry.run == run.name and entry.spans]
    if not pods:
        return None
    return Spent(
        gpus=tuple(entry.gpu for entry in pods),
        hours=sum(ran_hours(entry, _until(entry)) for entry in pods),
        usd=sum(
            spent_usd(entry, _until(entry)) if entry.bill_usd is None else entry.bill_usd for entry in pods
        ),
        billed=all(entry.bill_usd is not None for entry in pods),
    )


def _until(entry: PodEntry) -> float:
    """Up to when a pod is counted: its end, or for one that runs still when it was last looked at."""
    return entry.ended_s or max(entry.touched_s, entry.spans[-1][0])


def _losses(losses: list[Any], held: list[Any]) -> tuple[Loss, ...]:
    by_step = {point.step: Loss(point.step, loss=point.loss) for point in losses}
    for point in held:
        trained = by_step.get(point.step)
        by_step[point.step] = Loss(point.step, trained.loss if trained else None, point.eval_loss)
    return tuple(by_step[step] for step in sorted(by_step))


def _files(folder: Path) -> dict[str, Any]:
    """What the folder holds for those who will use it."""
    quantized = sorted(folder.glob("*.gguf"), key=lambda path: (path.stat().st_size, path.name))
    own = [folder / f"Modelfile.{path.stem.rpartition('-')[2]}" for path in quantized]
    modelfile = next((path for path in (*own, folder / "Modelfile") if path.is_file()), None)
    return {
        "quantized": tuple(path.name for path in quantized),
        "modelfile": modelfile.read_text(encoding="utf-8") if modelfile else "",
        "modelfile_name": modelfile.name if modelfile else "Modelfile",
        "chat_template": _chat_template(folder),
    }


def _chat_template(folder: Path) -> str:
    """The tokenizer's template: a file of its own since transformers 4.52, a key of its config before."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    try:
        config = orjson.loads(_bytes(folder / "tokenizer_config.json") or b"{}")
    except orjson.JSONDecodeError:
        return ""
    template = config.get("chat_template") if isinstance(config, dict) else None
    return template if isinstance(template, str) else ""
