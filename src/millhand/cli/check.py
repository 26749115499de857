"""``millhand check``: what would make a run fail, do nothing or learn the wrong thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import is_agreed, json_option, print_json, say, show_findings
from millhand.wording import counted

if TYPE_CHECKING:
    from millhand.errors import Finding
    from millhand.training.check.machine import Machine
    from millhand.training.check.preflight import Report
    from millhand.workspace import Workspace

_EPILOG = """\b
Examples:
  millhand check
  millhand check qa
  millhand check llamafactory_configs/qa/train.yaml --fix
  millhand check qa --pod l4
  millhand check qa --to me/minwon
  millhand check all --sarif > check.sarif
  millhand check --explain data.input-lost

Exit codes: 0 nothing that stops a run, 3 an error was found."""


@click.command(epilog=_EPILOG)
@click.argument("targets", metavar="[CONFIG|DATASET|all]…", nargs=-1)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend; shows the difference and asks.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--pod", "pod_name", metavar="POD", help="Also whether it fits this pod: l4, local, ssh://…")
@click.option("--online", is_flag=True, help="Ask the Hub whether the model can be had (--pod does, too).")
@click.option("--to", "repository", metavar="USER/NAME", help="Also whether a push there would be refused.")
@click.option("--explain", "explained", metavar="ID", help="Say what a finding's id stands for.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Answer in SARIF 2.1.0 on stdout.")
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    targets: tuple[str, ...],
    fix: bool,
    yes: bool,
    pod_name: str | None,
    online: bool,
    repository: str | None,
    explained: str | None,
    as_sarif: bool,
    as_json: bool,
) -> None:
    """Find what would make a run fail or learn the wrong thing, in seconds and without torch.

    Looks at train.yaml, export.yaml and chat.yaml of a project and at every row of its datasets; at a
    dataset by its name; or at all of the workspace.
    """
    from millhand.training.check.preflight import Preflight
    from millhand.workspace import find_workspace

    if explained is not None:
        _explain(explained)
        return
    workspace = find_workspace()
    machine = _machine(workspace, pod_name)
    asks = online or machine is not None

    of_push = _of_push(workspace, targets, repository) if repository else []

    def look() -> Report:
        preflight = Preflight(workspace, progress=_reading, machine=machine, online=asks)
        report = preflight.check(targets or ("all",))
        report.findings += of_push
        return report

    report = look()
    if fix and _mend(workspace, report, yes=yes):
        report = look()
    _show(report, as_json=as_json, as_sarif=as_sarif)
    ctx.exit(3 if report.count("error") else 0)


def _reading(name: str) -> None:
    say(f"Reading {name} …")


def _machine(workspace: Workspace, pod_name: str | None) -> Machine | None:
    if pod_name is None:
        return None
    from millhand.cli.check_pod import machine_of

    return machine_of(workspace, pod_name)


def _of_push(workspace: Workspace, targets: tuple[str, ...], repository: str) -> list[Finding]:
    """What the Hub, and the licences, would say to a model of a project."""
    from millhand.errors import FindingsError, UsageError
    from millhand.hub.client import open_hub
    from millhand.hub.target import Target, check_target
    from millhand.runs.publishable import check_publishable
    from millhand.training.project import open_project

    if len(targets) != 1:
        raise UsageError("--to asks for one project.", mend="`millhand check PROJECT --to USER/NAME`")
    project = open_project(workspace, targets[0])
    try:
        hub = open_hub(workspace.settings(), say)
        return check_publishable(workspace, project, hub, check_target(Target("model", repository)))
    except FindingsError as error:
        return list(error.findings)


def _explain(name: str) -> None:
    from millhand.errors import UsageError
    from millhand.text.normal import nearest
    from millhand.training.check.explain import explain, names

    text = explain(name)
    if not text:
        near = nearest(name, names(), count=3)
        raise UsageError(f"There is no finding {name!r}.", mend=f"Near it: {', '.join(near) or 'none'}.")
    click.echo(text)


def _mend(workspace: Workspace, report: Report, *, yes: bool) -> bool:
    """Show what is safe to mend and mend it; whether anything was written."""
    from millhand.files import write_text
    from millhand.llamafactory.yaml import parse_yaml
    from millhand.training.check.fixes import diff, mended

    written = shown = False
    for file in (name for name in report.files if name.endswith(".yaml")):
        path = workspace.root / file
        found = [finding for finding in report.findings if finding.file == file]
        if not found or any(finding.id.startswith("yaml.") for finding in found):
            continue
        before = path.read_bytes().decode("utf-8")
        after = mended(parse_yaml(before, file), before, found)
        if after != before:
            say(diff(before, after, file))
            shown = True
            if yes or is_agreed(f"Change {file}?"):
                write_text(path, after)
                written = True
    if report.findings and not shown:
        say("There is nothing that is safe to mend without you: each finding names its mend.")
    return written


def _show(report: Report, *, as_json: bool, as_sarif: bool) -> None:
    from millhand.training.check.sarif import sarif

    if as_sarif:
        print_json(sarif(report.findings))
    elif as_json:
        counts = {s: report.count(s) for s in ("error", "warning", "note")}
        print_json(
            {"files": report.files, "rows": report.rows, **counts, "findings": _plain(report.findings)}
        )
    else:
        show_findings(report.findings)
        click.echo(_summary(report))


def _plain(findings: list[Finding]) -> list[dict[str, Any]]:
    names = ("id", "severity", "message", "file", "line", "row", "column", "why", "mend")
    return [{name: getattr(finding, name) for name in names} for finding in findings]


def _summary(report: Report) -> str:
    rows = "".join(f", {name} {counted(count, 'row')}" for name, count in report.rows.items())
    found = ", ".join(counted(report.count(s), s) for s in ("error", "warning", "note") if report.count(s))
    return f"{counted(len(report.files), 'file')}{rows}: {found or 'nothing found'}."
