"""``python -m tests.fault_matrix [FILE] [--only WORD]``: play all cells and write the table."""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from millhand.demo import spreadsheet
from millhand.workspace import create_workspace
from tests.fault_matrix.faults import ALL, FaultKind
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

**ok**: it went on by itself. **ok, n again**: the same command was needed n times more. **–**: not played. In
brackets: seconds for all of it, on a machine that did other work too.

Not played: a trainer that is killed before it is there, a pod that restarts when it is released, and a
full disk where nothing is written to it. The environment here is the machine's own: its step begins with
the lease and ends at once. How an environment is made through kills, cuts and a full disk is tested for
itself, in `tests/integration/pods/test_pod_environment.py` and `test_pod_over_ssh.py`. The API's clock is
off for the whole run; client and pod share this machine's.

"""


def main() -> int:
    """Play, print each verdict, write the table; 1 where a cell failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="play rows whose name holds this word")
    parser.add_argument(
        "--kept", type=Path, default=Path("fault-matrix.json"), help="what was played already"
    )
    chosen = parser.parse_args()
    kept = Kept(chosen.kept)
    with tempfile.TemporaryDirectory() as scratch:
        _play_all(_template(Path(scratch)), Path(scratch), chosen.only, kept)
    whole = {kind.name: {step: kept.cell(kind.name, step) for step in kind.steps} for kind in ALL}
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


class Kept:
    """The cells that were played, in a file: a matrix takes an hour, and may be broken off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cells: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}

    def verdict(self, kind: str, step: str) -> Verdict | None:
        """The verdict of a cell that ended."""
        found = self._cells.get(f"{kind} x {step}", {}).get("verdict")
        return Verdict(**found) if found else None

    def cell(self, kind: str, step: str) -> str:
        """What stands in the table."""
        return str(self._cells.get(f"{kind} x {step}", {}).get("cell", "not played"))

    def keep(self, kind: str, step: str, cell: str, verdict: Verdict | None) -> None:
        """Write a cell down."""
        self._cells[f"{kind} x {step}"] = {"cell": cell, "verdict": verdict and asdict(verdict)}
        self._path.write_text(json.dumps(self._cells, indent=1))


def _play_all(template: Path, scratch: Path, only: str, kept: Kept) -> None:
    for kind in ALL:
        for step in kind.steps if kind is ALL[0] or only in kind.name else ():
            if kept.cell(kind.name, step).startswith("ok"):
                continue
            cell, verdict = _cell(
                kind, step, template, scratch / f"{ALL.index(kind)}-{STEPS.index(step)}", kept
            )
            kept.keep(kind.name, step, cell, verdict)
            print(f"{kind.name} x {step}: {cell}", file=sys.stderr, flush=True)


def _cell(kind: FaultKind, step: str, template: Path, folder: Path, kept: Kept) -> tuple[str, Verdict | None]:
    shutil.copytree(template, folder / "workspace")
    try:
        verdict = play(kind, step, Bench(folder / "workspace"), folder / "there")
    except Exception as error:  # noqa: BLE001  the table names what failed
        traceback.print_exc()
        return f"FAILED: {str(error).splitlines()[0][:60]}", None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _judged(verdict, kept, step), verdict


def _judged(verdict: Verdict, kept: Kept, step: str) -> str:
    control = ALL[0].name
    if verdict.adapter != (kept.verdict(control, "train") or verdict).adapter:
        return "FAILED: other weights"
    if verdict.merged and verdict.merged != (kept.verdict(control, "export") or verdict).merged:
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
