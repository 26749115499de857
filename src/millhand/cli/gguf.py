"""``millhand gguf``."""

from __future__ import annotations

import click

from millhand.cli.output import json_option, print_json, print_table, say
from millhand.cli.place import config_argument, open_place

EPILOG = """\b
Examples:
  millhand gguf qa
  millhand gguf qa --type q8_0 --type q4_k_m
  cd outputs/qa-merged && ollama create qa -f Modelfile.Q4_K_M

It needs llama.cpp's tools; where they are missing it says how to get them."""
TYPES = ("q4_k_m", "q5_k_m", "q6_k", "q8_0", "f16")


@click.command(epilog=EPILOG)
@config_argument
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(TYPES, case_sensitive=False),
    default=("q4_k_m",),
    show_default=True,
    help="What the weights become; may be given more than once.",
)
@click.option("--run", "run_name", default="", help="A finished run of the project; the last one by default.")
@json_option
def gguf(config: str, types: tuple[str, ...], run_name: str, as_json: bool) -> None:
    """Write a merged model as GGUF, for llama.cpp and Ollama on a CPU, with Ollama's Modelfile beside it."""
    from millhand.runs.finished import finished_run
    from millhand.runs.gguf import Quantizing

    workspace, project, home = open_place(config)
    run = finished_run(workspace, home, project, run_name)
    made = Quantizing(workspace, home, run, say).write(list(dict.fromkeys(kind.lower() for kind in types)))
    rows = [
        {"type": item.kind, "file": workspace.relative(item.path), "bytes": item.size,
         "modelfile": workspace.relative(item.modelfile), "again": item.again}
        for item in made
    ]  # fmt: skip
    if as_json:
        print_json({"run": run.name, "files": rows})
        return
    shown = [
        (row["type"], row["file"], f"{item.size / 1e6:,.1f} MB") for row, item in zip(rows, made, strict=True)
    ]
    print_table("", ("type", "file", "size"), shown)
    folder, modelfile = workspace.relative(made[0].path.parent), made[0].modelfile.name
    say(f"Next: cd {folder} && ollama create {project.name} -f {modelfile}")
