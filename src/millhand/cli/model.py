"""``millhand model``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_facts, print_json, say

if TYPE_CHECKING:
    from millhand.training.initial_model import InitialModel, Recipe, TextSource
    from millhand.training.initial_weights import Architecture, SizeName
    from millhand.training.tokenizer import TokenizerKind
    from millhand.workspace import Workspace


@click.group(cls=Group, epilog="\b\nExamples:\n  millhand model init models/tiny --size tiny --from qa")
def model() -> None:
    """Make models that training starts from."""


@model.command(
    epilog="\b\nExamples:\n"
    "  millhand model init models/tiny --size tiny --from qa\n"
    "  millhand model init models/small-ko --size small --from qa,manual --tokenizer sentencepiece"
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--size",
    type=click.Choice(["tiny", "small"]),
    default="tiny",
    show_default=True,
    help="0.9 or about 16 million parameters.",
)
@click.option(
    "--from",
    "datasets",
    required=True,
    metavar="DATASET[,...]",
    help="Whose texts the tokenizer learns from.",
)
@click.option("--architecture", type=click.Choice(["qwen3", "llama"]), default="qwen3", show_default=True)
@click.option("--tokenizer", type=click.Choice(["bpe", "sentencepiece"]), default="bpe", show_default=True)
@click.option(
    "--vocab-size", type=click.IntRange(min=1), help="Tokens, special ones included. [1024 or 8192]"
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="What the weights are drawn from.",
)
@click.option(
    "--replace", is_flag=True, help="Make FOLDER anew where it holds another model of this command's making."
)
@json_option
def init(
    folder: Path,
    size: str,
    datasets: str,
    architecture: str,
    tokenizer: str,
    vocab_size: int | None,
    seed: int,
    replace: bool,
    as_json: bool,
) -> None:
    """Make a model with random weights in FOLDER, its tokenizer trained on a dataset.

    It speaks LLaMA-Factory's template `chatml`. The same data and seed give the same files; where FOLDER
    holds just that model, nothing is done.
    """
    from millhand.training.initial_model import make_initial_model, recipe_for
    from millhand.workspace import check_name, find_workspace

    check_name(folder.absolute().name, "model")
    workspace = find_workspace()
    sources = _sources(workspace, datasets)
    recipe = recipe_for(
        sources,
        size=cast("SizeName", size),
        architecture=cast("Architecture", architecture),
        tokenizer=cast("TokenizerKind", tokenizer),
        vocab_size=vocab_size,
        seed=seed,
    )
    made, outcome = make_initial_model(folder.absolute(), recipe, sources, replace=replace, note=say)
    _show(workspace.relative(folder), made, outcome, recipe, as_json=as_json)


def _sources(workspace: Workspace, datasets: str) -> list[TextSource]:
    from millhand.datasets.registry import Registry

    names = [name for name in dict.fromkeys(part.strip() for part in datasets.split(",")) if name]
    if not names:
        raise click.BadParameter("Name a dataset; `millhand data list` shows them.", param_hint="--from")
    registry = Registry(workspace.registry)
    return [registry.dataset(name) for name in names]


def _show(folder: str, made: InitialModel, outcome: str, recipe: Recipe, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        print_json({"folder": folder, "outcome": outcome, **msgspec.to_builtins(made)})
        return
    print_facts(
        {
            "model": f"{folder} ({outcome})",
            "architecture": f"{recipe.architecture}, {recipe.size}",
            "parameters": f"{made.parameters:,}",
            "tokenizer": f"{recipe.tokenizer}, {made.vocab:,} tokens, template chatml",
            "learnt from": ", ".join(recipe.datasets),
            "seed": recipe.seed,
            "files": ", ".join([*made.files, "millhand_model.json"]),
        }
    )
    names = ",".join(recipe.datasets)
    say(f"Next: millhand config new PROJECT --preset tiny-cpu --dataset {names} --model {folder}")
