"""``python -m tests.fault_matrix [FILE] [--only WORD]``: play all cells and write the table."""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from millhand.demo import spreadsheet
from millhand.workspace import create_workspace
from tests.fault_matrix.faults import ALL
from tests.fault_matrix.moments import STEPS
from tests.fault_matrix.play import STEPS_TRAINED, Verdict, play
from tests.integration.conftest import Bench

_HEAD = """\
# What can happen to a run on a rented pod

`python -m tests.fault_matrix docs/fault-matrix.md`, {date}. Each cell is a whole `millhand train --pod`:
a real sshd, the real trainer (a tiny model, {steps} steps), a fake RunPod written from its OpenAPI document.
When the step has begun, the fault strikes; where the client ended with an error or was killed, the same
command is given again. A cell holds when the final weights are byte for byte those of an undisturbed
run, the run has gone to its last step, and no pod is left.

**ok**: it went on by itself. **ok, n again**: the same command was needed n times more. **–**: cannot happen
there. In brackets: seconds for all of it, on a machine that did other work too.

"""


def main() -> int:
    """Play, print each verdict, write the table; 1 where a cell failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        template = _template(Path(scratch))
        whole = _play_all(template, Path(scratch), chosen.only)
    text = _table(whole)
    print(text)
    if chosen.file:
        chosen.file.write_text(text, encoding="utf-8")
    return any(cell.startswith("FAILED") for row in whole.values() for cell in row.values())


def _template(scratch: Path) -> Path:
    workspace, _ = create_workspace(scratch / "template")
    bench = Bench(workspace.root)
    bench.call("data", "add", str(spreadsheet()), "--name", "bicycle")
    bench.call("model", "init", "models/tiny", "--size", "tiny", "--from", "bicycle")
    return workspace.root


def _play_all(template: Path, scratch: Path, only: str) -> dict[str, dict[str, str]]:
    control: dict[str, Verdict] = {}
    whole: dict[str, dict[str, str]] = {}
    for kind in ALL:
        if kind is not ALL[0] and only not in kind.name:
            continue
        for step in kind.steps:
            cell, verdict = _cell(kind, step, template, scratch / f"{len(whole)}-{step}", control)
            if kind is ALL[0] and verdict:
                control[step] = verdict
            whole.setdefault(kind.name, {})[step] = cell
            print(f"{kind.name} x {step}: {cell}", file=sys.stderr, flush=True)
    return whole


def _cell(
    kind: object, step: str, template: Path, folder: Path, control: dict[str, Verdict]
) -> tuple[str, Verdict | None]:
    shutil.copytree(template, folder / "workspace")
    try:
        verdict = play(kind, step, Bench(folder / "workspace"), folder / "there")  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  the table names what failed
        traceback.print_exc()
        return f"FAILED: {str(error).splitlines()[0][:60]}", None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _judged(verdict, control, step), verdict


def _judged(verdict: Verdict, control: dict[str, Verdict], step: str) -> str:
    base = control.get("train", verdict)
    if verdict.adapter != base.adapter:
        return "FAILED: other weights"
    if verdict.merged and verdict.merged != control.get("export", verdict).merged:
        return "FAILED: another merged model"
    if verdict.pods:
        return f"FAILED: {verdict.pods} pods left"
    again = f", {verdict.again} again" if verdict.again else ""
    return f"ok{again} ({verdict.seconds:.0f})"


def _table(whole: dict[str, dict[str, str]]) -> str:
    lines = [f"| | {' | '.join(STEPS)} |", f"| --- |{' --- |' * len(STEPS)}"]
    lines += [
        f"| {name} | {' | '.join(row.get(step, '–') for step in STEPS)} |" for name, row in whole.items()
    ]
    head = _HEAD.format(date=datetime.datetime.now(tz=datetime.UTC).date(), steps=STEPS_TRAINED)
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
