"""Draws docs/images/run.svg from what `millhand demo` printed: ``python docs/images/draw.py LOG SVG``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104
LEFT_OUT = (
    "Next: ",
    "Training a bpe",
    "Drawing the weights",
    "  wanted:",
    "  given:",
    "held-out rows (",
    "files ",
)
FROM = "$ millhand train"


def shown(log: str) -> list[str]:
    """The lines from the training on, without those that only help at the keyboard."""
    lines = log[log.index(FROM) :].splitlines()
    return [line for line in lines if not line.startswith(LEFT_OUT) and "�" not in line]


def draw(log: str) -> str:
    """The picture of a terminal that shows them."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in shown(log):
        style = "bold green" if line.startswith("$") else "bold" if line.startswith("A: ") else ""
        console.print(Text(line, style=style), soft_wrap=False)
    return console.export_svg(title="millhand demo")


if __name__ == "__main__":
    source, target = (Path(argument) for argument in sys.argv[1:])
    target.write_text(draw(source.read_text(encoding="utf-8")), encoding="utf-8")
