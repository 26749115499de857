"""``millhand doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_json, print_table, say, show_findings
from millhand.wording import counted

if TYPE_CHECKING:
    from millhand.pods.local import LocalPod
    from millhand.runs.doctor import Diagnosis

python_option = click.option(
    "--python", metavar="PATH", help="The interpreter meant; by default the one that runs millhand."
)


@click.command(
    epilog="\b\nExamples:\n  millhand doctor\n  millhand doctor --deep\n  millhand doctor --pod l4\n"
    "  millhand doctor --json | jq .can_train"
)
@python_option
@click.option("--pod", "pod_name", default="", metavar="POD", help="A pod that is there; always deep.")
@click.option(
    "--deep", is_flag=True, help="Also start LLaMA-Factory once, and try what training computes (seconds)."
)
@json_option
def doctor(python: str | None, pod_name: str, deep: bool, as_json: bool) -> int:
    """Say what this machine has, what it lacks for training, and what mends each fault.

    A machine without LLaMA-Factory is a healthy one: it prepares data and rents a GPU, so what is
    missing there is a note. Once LLaMA-Factory is installed, whatever would break a run is an error.
    Python below 3.11 and less than 2 GB of free disk always are.

    The answer is on stdout, the findings on stderr; with --json both are in one document on stdout.
    --pod proves the training environment of a pod that is there; nothing is rented or installed for it.
    Exit code 0 without errors, 3 with errors.
    """
    from millhand.errors import UsageError
    from millhand.runs.doctor import diagnose

    if python and pod_name:
        raise UsageError("--python means this machine, --pod another one.", mend="Give one of them.")
    if pod_name:
        diagnosis = _diagnose_pod(pod_name)
    else:
        pod = local_pod(python)
        diagnosis = diagnose(pod, deep=deep, install=install_command(pod))
    if as_json:
        print_json(as_document(diagnosis))
    else:
        show(diagnosis)
    return 3 if diagnosis.errors else 0


def _diagnose_pod(name: str) -> Diagnosis:
    from millhand.runs.doctor import diagnose
    from millhand.runs.rented_there import as_it_is
    from millhand.runs.watching import reached
    from millhand.workspace import find_workspace

    with reached(find_workspace(), name, say) as pod:
        return diagnose(as_it_is(pod, say), deep=True, install=f"millhand train PROJECT --pod {name}")


def local_pod(python: str | None) -> LocalPod:
    """This machine with the named interpreter; the workspace where there is one, else the current folder.

    Raises:
        UsageError: No such program.
    """
    import shutil
    import sys

    from millhand.errors import NoWorkspaceError, UsageError
    from millhand.pods.local import LocalPod
    from millhand.workspace import find_workspace

    try:
        root = find_workspace().root
    except NoWorkspaceError:
        root = Path.cwd()
    found = shutil.which(python) if python else sys.executable
    if not found:
        raise UsageError(
            f"No interpreter {python}.", mend="Give the path of a python, as in .venv/bin/python."
        )
    # Absolute but not resolved: the python of a virtual environment is a link to another one.
    return LocalPod(root, str(Path(found).absolute()))


def install_command(pod: LocalPod) -> str:
    """How the training stack comes into the pod's interpreter."""
    import sys

    from millhand.runs.facts import quoted

    if pod.python == str(Path(sys.executable).absolute()):
        return "millhand install"
    return f"millhand install --python {quoted(pod.python)}"


def as_document(diagnosis: Diagnosis) -> dict[str, object]:
    """The whole diagnosis for ``--json``."""
    import msgspec

    return {
        "can_train": diagnosis.can_train,
        "rows": diagnosis.rows(),
        "findings": diagnosis.findings,
        "facts": msgspec.to_builtins(diagnosis.facts),
    }


def show(diagnosis: Diagnosis) -> None:
    """The table on stdout, the findings on stderr."""
    rows = [(row.what, row.found, row.wanted, row.state) for row in diagnosis.rows()]
    print_table("", ("", "found", "wanted", ""), rows)
    show_findings(diagnosis.findings)
    if diagnosis.errors:
        say(f"{counted(diagnosis.errors, 'error')}: training here would fail.")
    elif diagnosis.can_train:
        say("It can train.")
