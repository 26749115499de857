"""``python -m tests.differential [--configs N] [--datasets N] [--files N] [REPORT]``: all of it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from millhand.demo import spreadsheet
from millhand.workspace import create_workspace
from tests.cases import check as made
from tests.differential.compare import Bench, Score, Worker, report
from tests.differential.files import file_case
from tests.differential.mutations import config_case, dataset_case

_HEAD = """\
# The check against LLaMA-Factory

`python -m tests.differential docs/check-report.md`, {date}; LLaMA-Factory 0.9.5, transformers 5.6.0, no GPU.

Each case is put to `millhand check` and to LLaMA-Factory itself: its parser, loader, converter and template
and, for configs, one real training step of a tiny model. *Refused*: it ends with an error. *Damaged*: it ends
well, and rows or texts are lost, or an empty answer or thought is trained. *Undecided*: this machine lacks a
package, a GPU or the network, so nothing follows. Recall: of what LLaMA-Factory refuses or damages, the part
that the check finds as an error or a warning. Precision: of what the check calls an error, the part that
LLaMA-Factory does not take unharmed. Generated cases come from seed {seed}. *Datasets* are rows and entries
with faults put into them; *files* are CSV as spreadsheets save it, dates, keys that stand twice, odd types
and JSON over several lines.

"""
# A processor for pictures beside the tiny tokenizer: rows are encoded with it, and nothing is trained.
_SEEING = """
from transformers import AutoTokenizer, CLIPImageProcessorPil, LlavaConfig, LlavaProcessor
tokenizer = AutoTokenizer.from_pretrained("models/tiny")
tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
pictures = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
processor = LlavaProcessor(
    image_processor=pictures, tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default",
    image_token="<image>", num_additional_image_tokens=1,
)
processor.save_pretrained("models/vl")
LlavaConfig().save_pretrained("models/vl")
"""


def bench(root: Path) -> Bench:
    """A workspace with datasets, a tiny model and an adapter trained on it."""
    workspace, _ = create_workspace(root)

    def call(*arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "millhand", *arguments], cwd=root, check=True, capture_output=True
        )

    call("data", "add", str(spreadsheet()), "--name", "words")
    for name in ("models/tiny", "models/other"):
        call("model", "init", name, "--size", "tiny", "--from", "words")
    subprocess.run([sys.executable, "-c", _SEEING], cwd=root, check=True, capture_output=True)
    made.furnish(workspace)
    made.write_project(workspace, "train", made.TRAIN)
    worker = Worker(root)
    answer = worker.ask("train", deep=True)
    assert answer["verdict"] == "accepted", answer
    return Bench(workspace, worker)


def main() -> None:
    """Compare and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("report", nargs="?", type=Path)
    parser.add_argument("--configs", type=int, default=800)
    parser.add_argument("--datasets", type=int, default=1200)
    parser.add_argument("--files", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    # of the same seed, and apart, so that neither depends on how many the other makes
    random, of_files = Random(asked.seed), Random(f"files {asked.seed}")
    with tempfile.TemporaryDirectory() as folder:
        both = bench(Path(folder) / "ws")
        scores: list[tuple[str, Score]] = []
        plan = (
            ("configs, by hand", [(both.config, case) for case in made.cases("configs")]),
            ("datasets, by hand", [(both.dataset, case) for case in made.cases("rows")]),
            ("configs, generated", [(both.config, config_case(random)) for _ in range(asked.configs)]),
            ("datasets, generated", [(both.dataset, dataset_case(random)) for _ in range(asked.datasets)]),
            ("files, generated", [(both.dataset, file_case(of_files)) for _ in range(asked.files)]),
        )  # fmt: skip
        for name, steps in plan:
            scores.append((name, Score([])))
            for number, (put, case) in enumerate(steps, 1):
                scores[-1][1].outcomes.append(put(case))
                if number % 50 == 0 or number == len(steps):
                    print(f"{name}: {number} of {len(steps)}", file=sys.stderr, flush=True)
                    _write(asked.report, scores, asked.seed)
        both.worker.stop()
    print(report(scores))


def _write(path: Path | None, scores: list[tuple[str, Score]], seed: int) -> None:
    if path is not None:
        head = _HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d}", seed=seed)
        path.write_text(head + report(scores), encoding="utf-8")


if __name__ == "__main__":
    main()
