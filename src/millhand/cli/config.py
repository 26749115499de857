"""``millhand config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_facts, print_json, print_table, say, show_findings

if TYPE_CHECKING:
    from millhand.training.config import MadeProject
    from millhand.training.presets import Preset
    from millhand.workspace import Workspace


_EPILOG = """\b
Examples:
  millhand config presets
  millhand config new qa --preset llama3-8b-qlora-l4 --dataset qa
  millhand config list"""


@click.group(cls=Group, epilog=_EPILOG)
def config() -> None:
    """Write LLaMA-Factory's configurations from presets."""


@config.command(
    epilog="\b\nExamples:\n"
    "  millhand config new qa --preset llama3-8b-qlora-l4 --dataset qa\n"
    "  millhand config new demo --preset tiny-cpu --dataset qa,manual --model models/tiny\n"
    "  millhand config new qa-long --preset llama3-8b-lora-l4 --dataset qa \\\n"
    "    --set cutoff_len=2048 --set learning_rate=5e-5 --set chat.temperature=0.1"
)
@click.argument("project")
@click.option("--preset", required=True, help="See `millhand config presets`.")
@click.option("--dataset", "datasets", required=True, metavar="D[,D2]", help="See `millhand data list`.")
@click.option("--model", help="Another base: owner/name on the Hub, or a folder such as models/tiny.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting; export.KEY and chat.KEY reach those files.",
)
@click.option("--replace", is_flag=True, help="Write the three files of an existing PROJECT anew.")
@json_option
def new(
    project: str,
    preset: str,
    datasets: str,
    model: str | None,
    settings: tuple[str, ...],
    replace: bool,
    as_json: bool,
) -> None:
    """Write llamafactory_configs/PROJECT/ with train.yaml, export.yaml and chat.yaml."""
    from millhand.training.config import NewProject, new_project, parse_overrides
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    wanted = NewProject(project, preset, datasets.split(","), model, parse_overrides(settings))
    made = new_project(workspace, wanted, replace=replace)
    _show_made(workspace, made, as_json=as_json)


def _show_made(workspace: Workspace, made: MadeProject, *, as_json: bool) -> None:
    files = {name: workspace.relative(path) for name, path in made.files.items()}
    model = str(made.train["model_name_or_path"])
    if as_json:
        facts = {"project": made.name, "outcome": made.outcome, "files": files, "train": made.train}
        print_json({**facts, "needs": made.needs})
        return
    print_facts(
        {
            "project": f"{made.name} ({made.outcome})",
            "model": model,
            "datasets": made.train["dataset"],
            "output": made.train["output_dir"],
            "files": ", ".join(files.values()),
            "needs": made.needs,
        }
    )
    if model.startswith("models/") and not (workspace.root / model).is_dir():
        say(f"Next: millhand model init {model} --size tiny --from {made.train['dataset']}")
    say(f"Next: millhand train {made.name}")


@config.command("list", epilog="\b\nExamples:\n  millhand config list\n  millhand config list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the projects of the workspace."""
    from millhand.errors import FindingsError
    from millhand.training.project import Project, project_names
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    rows = []
    for name in project_names(workspace):
        try:
            values = Project(name, workspace.configs / name).values("train")
        except FindingsError as error:
            show_findings(error.findings)
            values = {}
        keys = {
            "model": "model_name_or_path",
            "method": "finetuning_type",
            "datasets": "dataset",
            "output": "output_dir",
        }
        rows.append({"project": name, **{word: values.get(key) for word, key in keys.items()}})
    if as_json:
        print_json(rows)
    elif rows:
        print_table("", list(rows[0]), (list(row.values()) for row in rows))
    else:
        say("No project yet: millhand config new PROJECT --preset P --dataset D")


@config.command(
    epilog="\b\nExamples:\n  millhand config presets\n  millhand config presets llama3-8b-qlora-l4"
)
@click.argument("name", required=False)
@json_option
def presets(name: str | None, as_json: bool) -> None:
    """List the presets, or print the file of one."""
    from millhand.errors import NoWorkspaceError
    from millhand.workspace import find_workspace

    try:
        workspace = find_workspace()
    except NoWorkspaceError:
        workspace = None
    if name is None:
        _show_presets(workspace, as_json=as_json)
    else:
        _show_preset(workspace, name, as_json=as_json)


def _show_presets(workspace: Workspace | None, *, as_json: bool) -> None:
    from millhand.errors import FindingsError
    from millhand.training.presets import preset_paths, read_preset

    found: dict[str, Preset] = {}
    for name, path in preset_paths(workspace).items():
        try:
            found[name] = read_preset(path)
        except FindingsError as error:
            show_findings(error.findings)
    if as_json:
        keys = ("purpose", "needs", "gpu", "gpu_memory_gb")
        print_json(
            [{"name": name, **{key: getattr(preset, key) for key in keys}} for name, preset in found.items()]
        )
        return
    rows = ((name, preset.purpose, _gpu(preset)) for name, preset in found.items())
    print_table("", ["preset", "purpose", "GPU"], rows)


def _gpu(preset: Preset) -> str:
    return f"{preset.gpu}, {preset.gpu_memory_gb} GB" if preset.gpu_memory_gb else preset.gpu


def _show_preset(workspace: Workspace | None, name: str, *, as_json: bool) -> None:
    from millhand.training.presets import load_preset, preset_paths

    preset = load_preset(name, workspace)
    if as_json:
        import msgspec

        print_json({"name": name, **msgspec.to_builtins(preset)})
    else:
        click.echo(preset_paths(workspace)[name].read_text(encoding="utf-8"), nl=False)
