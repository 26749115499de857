"""What a dataset's rows are measured with: the tokenizer and the template of a config that names it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from millhand.datasets.inspect import token_counter
from millhand.datasets.records import Record
from millhand.datasets.report.facts import Ruler
from millhand.errors import MillhandError
from millhand.llamafactory.knowledge import installed
from millhand.llamafactory.templates import Template
from millhand.llamafactory.yaml import parse_yaml
from millhand.training.check.base import Base, base_of
from millhand.training.check.subject import Config
from millhand.training.estimate.tokens import Speaker, load_count
from millhand.training.project import Project, open_project, project_names
from millhand.workspace import Workspace


def ruler_for(
    workspace: Workspace,
    datasets: Sequence[str],
    *,
    config: str | None = None,
    tokenizer: Path | None = None,
) -> Ruler:
    """What to measure the rows of ``datasets`` (the parts of one) with.

    ``config`` is the project to measure against, else the first that names one of them; ``tokenizer`` takes
    the place of its model's. Where there is none, lengths are in characters and ``why`` says so.

    Raises:
        UsageError: There is no such project or tokenizer.
        FindingsError: The project's train.yaml cannot be read.
    """
    chosen = _read(workspace, open_project(workspace, config)) if config else _naming(workspace, datasets)
    if chosen is None:
        return _bare(tokenizer)
    name, given = chosen
    limit = given.cutoff_len if isinstance(given.cutoff_len, int) else None
    base = Base(tokenizer) if tokenizer else base_of(given)
    template = given.knowledge.templates.get(str(given.template))
    path = base.tokenizer_file if base else None
    if tokenizer:
        token_counter(tokenizer)
    if base is None or path is None or template is None or limit is None:
        return Ruler(_characters, config=name, limit=limit, why=_why(name, given, path, template))
    count, basis = load_count(path)
    if basis != "tokenizer":
        return Ruler(
            _characters, config=name, limit=limit, why="Lengths are in characters: `pip install tokenizers`."
        )
    speaker = Speaker(count, template, limit=limit, bos=bool(base.token("bos_token")))
    return Ruler(lambda record: speaker.length(record).uncut, "tokens", name, limit)


def _bare(tokenizer: Path | None) -> Ruler:
    if tokenizer is None:
        why = (
            "Lengths are in characters: no config names this dataset yet, so no tokenizer and no cutoff_len."
        )
        return Ruler(_characters, why=why)
    count = token_counter(tokenizer)
    why = "Counted by the tokenizer alone, without a template: no config names this dataset yet."
    return Ruler(lambda record: count(["\n".join(record.texts())])[0], "tokens", why=why)


def _characters(record: Record) -> float:
    return len("\n".join(record.texts()))


def _why(name: str, given: Config, path: Path | None, template: Template | None) -> str:
    model = given.model_name_or_path
    lacks = f"the tokenizer of {model} is not on this machine" if path is None else "it has no cutoff_len"
    if template is None and path is not None:
        lacks = f"its template {given.template!r} is not known"
    return f"Lengths are in characters: config {name} names this dataset, but {lacks}."


def _naming(workspace: Workspace, datasets: Sequence[str]) -> tuple[str, Config] | None:
    """The first project whose train.yaml names one of the datasets; one that cannot be read names none."""
    for name in project_names(workspace):
        try:
            found = _read(workspace, open_project(workspace, name))
        except MillhandError:
            continue
        if set(datasets) & {*found[1].names("dataset"), *found[1].names("eval_dataset")}:
            return found
    return None


def _read(workspace: Workspace, project: Project) -> tuple[str, Config]:
    project.values("train")
    path = project.path("train")
    document = parse_yaml(path.read_text(encoding="utf-8"), workspace.relative(path))
    return project.name, Config("train", document, installed(), workspace.root, workspace.settings())
