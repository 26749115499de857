"""Puts each case to both and says where they differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millhand.errors import FindingsError
from millhand.workspace import Workspace
from tests.cases import check as made


@dataclass
class Worker:
    """LLaMA-Factory, imported once, in a workspace."""

    root: Path
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it, or start it anew after it died."""
        env = {
            **os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(self.root / ".cache"), "DISABLE_VERSION_CHECK": "1", "PYTHONUTF8": "1",
            "TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "LLAMAFACTORY_VERBOSITY": "ERROR",
        }  # fmt: skip
        script = str(Path(__file__).with_name("worker.py"))
        self.process = subprocess.Popen(
            [sys.executable, "-P", script], cwd=self.root, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, purpose: str, *, deep: bool) -> dict[str, Any]:
        """What LLaMA-Factory makes of the project ``qa``."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"purpose": purpose, "deep": deep}) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("ANSWER"):
                    answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER"))
                    return answer
        except BrokenPipeError:
            pass
        self.stop()
        self.start()
        return {"verdict": "refused", "why": "the process ended"}

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Outcome:
    """A case, and what both said."""

    name: str
    real: dict[str, Any]
    found: list[str]
    errors: list[str]

    @property
    def missed(self) -> bool:
        """LLaMA-Factory refuses or damages it, and the check says nothing."""
        return self.real["verdict"] in ("refused", "damaged") and not self.found

    @property
    def wrong(self) -> bool:
        """The check says that it fails, and LLaMA-Factory takes it unharmed."""
        return self.real["verdict"] == "accepted" and bool(self.errors)


@dataclass
class Bench:
    """A workspace with a tiny model and an adapter, and a worker in it."""

    workspace: Workspace
    worker: Worker
    number: int = 0

    def config(self, case: dict[str, Any], *, deep: bool = True) -> Outcome:
        """Put a case of a config to both."""
        purpose = case["purpose"]
        values = made.changed(purpose, case["change"])
        if purpose == "train" and "output_dir" not in case["change"]:
            values["output_dir"] = "outputs/case"
        made.write_project(self.workspace, purpose, values)
        for left in self.workspace.root.glob("adapter_*"):  # of a case that writes to the workspace itself
            left.unlink()
        return self._both(f"{purpose} {case['change']}", purpose, deep=deep)

    def dataset(self, case: dict[str, Any]) -> Outcome:
        """Put a case of a dataset to both; each has a file name of its own, for datasets keeps a cache."""
        self.number += 1
        made.write_case(self.workspace, case, f"case{self.number}.jsonl")
        change = {**made.dataset_change(case), "output_dir": "outputs/case"}
        made.write_project(self.workspace, "train", made.changed("train", change))
        entry, rows = json.dumps(case["entry"], ensure_ascii=False), case.get("rows") or case.get("files")
        name = f"{case['stage']} {entry} {rows}"
        outcome = self._both(name[:700], "train", deep=False)
        made.furnish(self.workspace)
        return outcome

    def _both(self, name: str, purpose: str, *, deep: bool) -> Outcome:
        file = f"/{purpose}.yaml"
        try:
            findings = made.check(self.workspace).findings
        except FindingsError as error:
            findings = list(error.findings)
        ours = [f for f in findings if f.file.endswith((file, ".json", ".jsonl", ".csv", ".txt"))]
        found = [f.id for f in ours if f.severity != "note"]
        errors = [f.id for f in ours if f.severity == "error"]
        return Outcome(name, self.worker.ask(purpose, deep=deep), found, errors)


@dataclass
class Score:
    """How often the two agree."""

    outcomes: list[Outcome]

    def counts(self) -> Counter[str]:
        """Verdicts of LLaMA-Factory."""
        return Counter(outcome.real["verdict"] for outcome in self.outcomes)

    @property
    def recall(self) -> float:
        """Of what LLaMA-Factory refuses or damages, the part that the check finds."""
        bad = [o for o in self.outcomes if o.real["verdict"] in ("refused", "damaged")]
        return 1 - sum(o.missed for o in bad) / len(bad) if bad else 1.0

    @property
    def soft(self) -> list[Outcome]:
        """What LLaMA-Factory refuses and the check only warns of."""
        return [o for o in self.outcomes if o.real["verdict"] == "refused" and o.found and not o.errors]

    @property
    def precision(self) -> float:
        """Of what the check calls an error, the part that LLaMA-Factory refuses or damages."""
        called = [o for o in self.outcomes if o.errors and o.real["verdict"] != "undecided"]
        return 1 - sum(o.wrong for o in called) / len(called) if called else 1.0


def report(parts: Iterable[tuple[str, Score]]) -> str:
    """The report, as Markdown: figures, then every miss by name."""
    verdicts = ("accepted", "refused", "damaged", "undecided")
    names = ("cases", "number", *verdicts, "recall", "precision", "only warned of")
    lines = [f"| {' | '.join(names)} |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    misses: list[str] = []
    for name, score in parts:
        counts = score.counts()
        shown = " | ".join(str(counts[verdict]) for verdict in verdicts)
        lines.append(
            f"| {name} | {len(score.outcomes)} | {shown} | {score.recall:.4f} "
            f"| {score.precision:.4f} | {len(score.soft)} |"
        )
        misses += [f"- missed: {_shown(o)}" for o in score.outcomes if o.missed]
        misses += [f"- called an error: {_shown(o)}" for o in score.outcomes if o.wrong]
        misses += [f"- only warned of: {_shown(o)}" for o in score.soft]
    return "\n".join([*lines, "", "## Where they differ", "", *(misses or ["Nowhere."]), ""])


def _shown(outcome: Outcome) -> str:
    said = outcome.real["verdict"] + (f" ({outcome.real['why']})" if outcome.real.get("why") else "")
    return f"`{outcome.name}`: {' '.join(said.split())[:300]}; check: {', '.join(outcome.found) or 'nothing'}"
